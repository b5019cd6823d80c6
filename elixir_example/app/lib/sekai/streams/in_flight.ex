defmodule Sekai.Streams.InFlight do
  @moduledoc """
  The events within a filter: those whose calls are under way, and those that are done and wait for their turn.

  Each has a number, given when its call begins (`:preserve`) or when it is done (`:as_done`), and leaves by number. So
  `take/2` is the same for both orders, and so is the bound: `size/1` counts all that have not left.

      iex> alias Sekai.Streams.InFlight
      iex> in_flight = InFlight.new(:preserve) |> InFlight.begin(:a, 1) |> InFlight.begin(:b, 2)
      iex> InFlight.fetch(in_flight, :b)
      {:ok, 2}
      iex> in_flight = InFlight.done(in_flight, :b, {:keep, "b"})
      iex> {[], in_flight} = InFlight.take(in_flight, 10)
      iex> {["a", "b"], in_flight} = in_flight |> InFlight.done(:a, {:keep, "a"}) |> InFlight.take(10)
      iex> InFlight.size(in_flight)
      0
  """

  @enforce_keys [:order]
  defstruct [:order, calls: %{}, done: %{}, next_number: 0, next_out: 0]

  @type order :: :preserve | :as_done
  @type key :: term()
  @type t :: %__MODULE__{
          order: order(),
          calls: %{key() => {non_neg_integer() | nil, call :: term()}},
          done: %{non_neg_integer() => {:keep, term()} | :drop},
          next_number: non_neg_integer(),
          next_out: non_neg_integer()
        }

  @spec new(order()) :: t()
  def new(order) when order in [:preserve, :as_done], do: %__MODULE__{order: order}

  @doc "Adds a call that has begun."
  @spec begin(t(), key(), term()) :: t()
  def begin(%__MODULE__{order: :preserve} = t, key, call),
    do: %{put_call(t, key, {t.next_number, call}) | next_number: t.next_number + 1}

  def begin(%__MODULE__{order: :as_done} = t, key, call), do: put_call(t, key, {nil, call})

  defp put_call(t, key, entry), do: %{t | calls: Map.put(t.calls, key, entry)}

  @doc "The call of this key, if it is under way."
  @spec fetch(t(), key()) :: {:ok, term()} | :error
  def fetch(%__MODULE__{calls: calls}, key) do
    with {:ok, {_number, call}} <- Map.fetch(calls, key), do: {:ok, call}
  end

  @doc "Ends a call that is under way: what is kept leaves with `take/2`, what is dropped never does."
  @spec done(t(), key(), {:keep, term()} | :drop) :: t()
  def done(%__MODULE__{} = t, key, outcome) do
    {{number, _call}, calls} = Map.pop!(t.calls, key)
    number(%{t | calls: calls}, number, outcome)
  end

  defp number(t, nil, :drop), do: t

  defp number(t, nil, outcome),
    do: %{t | done: Map.put(t.done, t.next_number, outcome), next_number: t.next_number + 1}

  defp number(t, number, outcome), do: %{t | done: Map.put(t.done, number, outcome)}

  @doc "Takes out at most `most` of those whose turn it is."
  @spec take(t(), non_neg_integer()) :: {[term()], t()}
  def take(%__MODULE__{} = t, most), do: take(t, most, [])

  defp take(t, most, taken) do
    case Map.fetch(t.done, t.next_out) do
      {:ok, :drop} -> t |> leave() |> take(most, taken)
      {:ok, {:keep, value}} when most > 0 -> t |> leave() |> take(most - 1, [value | taken])
      _its_call_is_under_way_or_no_more_wanted -> {Enum.reverse(taken), t}
    end
  end

  defp leave(t), do: %{t | done: Map.delete(t.done, t.next_out), next_out: t.next_out + 1}

  @doc "How many there are, whether their calls are under way or done."
  @spec size(t()) :: non_neg_integer()
  def size(%__MODULE__{calls: calls, done: done}), do: map_size(calls) + map_size(done)
end
