defmodule Sekai.Streams.Event do
  @moduledoc """
  That a user did something: the payload of a buffer of `Sekai.Streams.Events`.

  `user_id` alone is needed for a recommendation. An interaction has the rest, too; `id` and `time` are its place in the
  stream.
  """

  alias Sekai.Interactions.Interaction

  @enforce_keys [:user_id]
  defstruct [:user_id, :id, :time, :item_id, :kind]

  @type t :: %__MODULE__{
          user_id: String.t(),
          id: String.t() | nil,
          time: DateTime.t() | nil,
          item_id: String.t() | nil,
          kind: String.t() | nil
        }

  @typedoc "A place in the stream of interactions: after the one of this time and id."
  @type place :: {DateTime.t(), Ecto.UUID.t()}

  @doc "The event of an interaction."
  @spec from_interaction(Interaction.t() | map()) :: t()
  def from_interaction(interaction),
    do: struct!(__MODULE__, Map.take(interaction, [:user_id, :id, :time, :item_id, :kind]))

  @doc "Where an event is in the stream of interactions; nil where it has no time or id."
  @spec place(t()) :: place() | nil
  def place(%__MODULE__{time: nil}), do: nil
  def place(%__MODULE__{id: nil}), do: nil
  def place(%__MODULE__{time: time, id: id}), do: {time, id}

  @doc """
  Whether `event` is at least as new as `other`; of two that have no time, either is.

      iex> event = &%Sekai.Streams.Event{user_id: "ada", time: &1}
      iex> Sekai.Streams.Event.newer?(event.(~U[2026-01-02 00:00:00Z]), event.(~U[2026-01-01 00:00:00Z]))
      true
  """
  @spec newer?(t(), t()) :: boolean()
  def newer?(%__MODULE__{time: nil}, _other), do: true
  def newer?(_event, %__MODULE__{time: nil}), do: true
  def newer?(event, other), do: DateTime.compare(event.time, other.time) != :lt
end
