defmodule Sekai.Streams.Cursor do
  @moduledoc """
  How far a stream of interactions was processed, by the name of the stream: everything up to this place is stored.
  """

  use Sekai.Schema
  import Ecto.Query

  alias Sekai.{Repo, Transaction}
  alias Sekai.Streams.Event

  @type t :: %__MODULE__{}

  @primary_key {:name, :string, autogenerate: false}
  schema "stream_cursors" do
    field :time, :utc_datetime_usec
    field :interaction_id, :binary_id
    timestamps()
  end

  @doc "Where a stream is, or nil where it has not begun."
  @spec get(String.t()) :: Event.place() | nil
  def get(name) do
    with %__MODULE__{time: time, interaction_id: id} <- Repo.get(__MODULE__, name), do: {time, id}
  end

  @doc "Moves a stream on; never back, whoever says it last."
  @spec advance(String.t(), Event.place()) :: {:ok, Event.place()}
  def advance(name, {time, id} = place) do
    now = DateTime.utc_now()
    row = %{name: name, time: time, interaction_id: id, inserted_at: now, updated_at: now}

    further =
      from cursor in __MODULE__,
        where: cursor.time < ^time or (cursor.time == ^time and cursor.interaction_id < ^id),
        update: [set: [time: ^time, interaction_id: ^id, updated_at: ^now]]

    Transaction.run(
      fn ->
        Repo.insert_all(__MODULE__, [row], on_conflict: further, conflict_target: :name)
        {:ok, place}
      end,
      name: :advance_cursor
    )
  end
end
