defmodule Sekai.Interactions.Interaction do
  @moduledoc """
  That a user visited or liked an item: `kind` is `"visit"` or `"favourite"`, `weight` how much it says (1 and 3).

  Its id is chosen by whoever reports it, so that it can be reported again and is there once.
  """

  use Sekai.Schema

  @type t :: %__MODULE__{}

  # By how many seconds another's clock may be ahead.
  @ahead_s 60
  @weights %{"visit" => 1.0, "favourite" => 3.0}

  schema "interactions" do
    field :user_id, Ecto.UUID
    field :item_id, Ecto.UUID
    field :kind, :string
    field :weight, :float
    field :time, :utc_datetime_usec
  end

  @doc "How much each kind says, where nothing else is said."
  @spec weights() :: %{String.t() => float()}
  def weights, do: @weights

  @doc "Checks one interaction. The weight is that of its kind, and the time is now, where they are not given."
  @spec changeset(map()) :: Ecto.Changeset.t()
  def changeset(attributes) do
    %__MODULE__{}
    |> cast(attributes, [:id, :user_id, :item_id, :kind, :weight, :time])
    |> validate_required([:id, :user_id, :item_id, :kind])
    |> validate_inclusion(:kind, Map.keys(@weights))
    |> validate_number(:weight, greater_than: 0, less_than_or_equal_to: 1_000)
    |> validate_change(:time, &past/2)
    |> put_default(:weight, &@weights[get_field(&1, :kind)])
    |> put_default(:time, fn _changeset -> DateTime.utc_now() end)
  end

  # What lies ahead would count as newer than any model's data for as long.
  defp past(:time, time) do
    if DateTime.after?(time, DateTime.add(DateTime.utc_now(), @ahead_s)),
      do: [time: "must not be in the future"],
      else: []
  end

  defp put_default(changeset, field, default) do
    if get_field(changeset, field) == nil,
      do: put_change(changeset, field, default.(changeset)),
      else: changeset
  end
end
