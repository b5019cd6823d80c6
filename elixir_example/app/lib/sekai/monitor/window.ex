defmodule Sekai.Monitor.Window do
  @moduledoc """
  How long answers took in the last minute: percentiles of all, and what there was in each second.

  Plain functions of samples; times are milliseconds of any clock that does not go back.
  """

  @seconds 60

  @typedoc "When an answer was given, how many milliseconds it took, and whether it was as asked for."
  @type sample :: {at :: integer(), ms :: float(), :answered | :fallback | :failed}

  @typedoc """
  `slow` is what 95 of 100 took at most, `worst` whether any was no more than a fallback, or failed.
  """
  @type second :: %{slow: float(), worst: :answered | :fallback | :failed} | nil

  @typedoc "Percentiles are nil where there are no samples. `seconds` has #{@seconds}, oldest first."
  @type t :: %{
          count: non_neg_integer(),
          fallback: non_neg_integer(),
          failed: non_neg_integer(),
          p50: float() | nil,
          p95: float() | nil,
          p99: float() | nil,
          seconds: [second()]
        }

  @doc "How many seconds it looks back."
  @spec seconds() :: pos_integer()
  def seconds, do: @seconds

  @doc "Sums up the samples of the last #{@seconds} seconds; older ones are left out."
  @spec summary([sample()], integer()) :: t()
  def summary(samples, now) do
    # Whole seconds, so that one that is over does not change.
    last = div_floor(now)
    by_second = Enum.group_by(samples, fn {at, _ms, _outcome} -> last - div_floor(at) end)
    recent = for age <- 0..(@seconds - 1), sample <- Map.get(by_second, age, []), do: sample
    sorted = sorted(recent)

    %{
      count: length(recent),
      fallback: count(recent, :fallback),
      failed: count(recent, :failed),
      p50: percentile(sorted, 50),
      p95: percentile(sorted, 95),
      p99: percentile(sorted, 99),
      seconds: for(age <- (@seconds - 1)..0//-1, do: second(by_second[age]))
    }
  end

  defp div_floor(ms), do: Integer.floor_div(ms, 1_000)

  defp count(samples, outcome), do: Enum.count(samples, &match?({_at, _ms, ^outcome}, &1))

  defp second(nil), do: nil
  defp second(samples), do: %{slow: samples |> sorted() |> percentile(95), worst: worst(samples)}

  defp worst(samples),
    do: Enum.find([:failed, :fallback], :answered, &List.keymember?(samples, &1, 2))

  defp sorted(samples), do: samples |> Enum.map(&elem(&1, 1)) |> Enum.sort() |> List.to_tuple()

  @doc """
  The smallest of the sorted values that `percent` of 100 are not above ("nearest rank"); nil of none.

      iex> Sekai.Monitor.Window.percentile({1.0, 2.0, 3.0, 40.0}, 50)
      2.0
  """
  @spec percentile(tuple(), 1..100) :: float() | nil
  def percentile({}, _percent), do: nil

  def percentile(sorted, percent), do: elem(sorted, ceil(percent * tuple_size(sorted) / 100) - 1)
end
