defmodule Sekai.Runners.Usage do
  @moduledoc """
  What runners are used for, and what that costs: sums over time, told what there is and when.

  Plain data. Times are milliseconds of any clock that does not go back. Between two things that it is told, what was there
  counts on.
  """

  @enforce_keys [:at]
  defstruct @enforce_keys ++ [runners: 0, loads: [], runner_ms: 0, worker_ms: 0, busy_ms: 0, load_ms: 0]

  @type t :: %__MODULE__{
          at: integer(),
          runners: non_neg_integer(),
          loads: [non_neg_integer()],
          runner_ms: non_neg_integer(),
          worker_ms: non_neg_integer(),
          busy_ms: non_neg_integer(),
          load_ms: non_neg_integer()
        }

  @typedoc """
  Of a span of time: `runners`, `workers` and `in_flight` at its end, and of all of it

    * `utilisation` - calls in flight, as a share of the workers' capacity
    * `busy` - the share of the runners' time in which they had a call at all
    * `runner_seconds` - how long runners ran, taken together
    * `cost` - of these
    * `recommendations` - how many were answered
    * `cost_per_1000` - of these, left out where there were none
  """
  @type report :: %{
          required(:runners) => non_neg_integer(),
          required(:workers) => non_neg_integer(),
          required(:in_flight) => non_neg_integer(),
          required(:utilisation) => float(),
          required(:busy) => float(),
          required(:runner_seconds) => float(),
          required(:cost) => float(),
          required(:recommendations) => non_neg_integer(),
          optional(:cost_per_1000) => float()
        }

  @typedoc "Of all reports."
  @type total :: %{
          required(:runner_seconds) => float(),
          required(:cost) => float(),
          required(:recommendations) => non_neg_integer(),
          optional(:cost_per_1000) => float()
        }

  @doc "The total before the first report."
  @spec total() :: total()
  def total, do: %{runner_seconds: 0.0, cost: 0.0, recommendations: 0}

  @doc "Nothing yet."
  @spec new(integer()) :: t()
  def new(now), do: %__MODULE__{at: now}

  @doc "From now on there are so many runners, those that boot among them: they are paid for."
  @spec runners(t(), integer(), non_neg_integer()) :: t()
  def runners(usage, now, count), do: %{advance(usage, now) | runners: count}

  @doc "From now on the workers that are ready have these numbers of calls in flight."
  @spec loads(t(), integer(), [non_neg_integer()]) :: t()
  def loads(usage, now, loads), do: %{advance(usage, now) | loads: loads}

  defp advance(usage, now) do
    passed = now - usage.at

    %{
      usage
      | at: now,
        runner_ms: usage.runner_ms + passed * usage.runners,
        worker_ms: usage.worker_ms + passed * length(usage.loads),
        busy_ms: usage.busy_ms + passed * Enum.count(usage.loads, &(&1 > 0)),
        load_ms: usage.load_ms + passed * Enum.sum(usage.loads)
    }
  end

  @doc """
  What there was since the last report, and that from which the next one begins.

    * `:recommendations` - answered in that time
    * `:capacity` - how many calls in flight are one worker's full use
    * `:price_per_hour` - of a runner
  """
  @spec report(t(), integer(), keyword()) :: {report(), t()}
  def report(usage, now, options) do
    usage = advance(usage, now)
    recommendations = options[:recommendations]
    cost = usage.runner_ms / 3_600_000 * options[:price_per_hour]

    report = %{
      runners: usage.runners,
      workers: length(usage.loads),
      in_flight: Enum.sum(usage.loads),
      utilisation: share(usage.load_ms, usage.worker_ms * options[:capacity]),
      busy: share(usage.busy_ms, usage.runner_ms),
      runner_seconds: usage.runner_ms / 1_000,
      cost: cost,
      recommendations: recommendations
    }

    {put_cost_per_1000(report), %{new(now) | runners: usage.runners, loads: usage.loads}}
  end

  defp share(_part, 0), do: 0.0
  defp share(part, whole), do: part / whole

  @doc "The sums of all reports so far, with one more, as far as they can be summed up."
  @spec total(total(), report()) :: total()
  def total(total, report) do
    total
    |> Map.delete(:cost_per_1000)
    |> Map.new(fn {key, sum} -> {key, sum + Map.fetch!(report, key)} end)
    |> put_cost_per_1000()
  end

  defp put_cost_per_1000(%{recommendations: 0} = sums), do: sums

  defp put_cost_per_1000(sums), do: Map.put(sums, :cost_per_1000, sums.cost / sums.recommendations * 1_000)
end
