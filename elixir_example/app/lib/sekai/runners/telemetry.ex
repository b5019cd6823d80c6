defmodule Sekai.Runners.Telemetry do
  @moduledoc """
  How well runners are used and what that costs, as `:telemetry` events. `pool` is the name of the `FLAME.Pool`.

  | event | measurements | metadata | when |
  |---|---|---|---|
  | `[:sekai, :runners, :usage]` | `runners`, `workers`, `in_flight`; `utilisation`, `busy`, `runner_seconds`, `recommendations`, `cost`, `cost_per_1000` | `pool` | every `:report_every`, of the time since the one before |
  | `[:sekai, :runners, :total]` | `runner_seconds`, `recommendations`, `cost`, `cost_per_1000` | `pool` | the same, since the application has started |
  | `[:sekai, :runners, :boot]` | `duration`, in native units: until a runner can be used | `pool`, `result`: `:ok` or `{:exit, reason}` | a runner has booted, or has not |

    * `runners` are machines that run or boot: what is paid for. `workers` are those that answer
    * `utilisation` is the calls in flight, on average, as a share of what the workers can have; where it stays near 1.0,
      callers wait, and near 0.0 fewer would do
    * `busy` is the share of the runners' time in which they had a call at all; the rest, boots among it, is paid for nothing
    * `recommendations` are the answered calls of `PortWorker.recommend/3`; one of `recommend_many/3` is not among them
    * `cost` is runner time at `:price_per_hour`, in its currency. `cost_per_1000` is that of 1,000 recommendations, and
      missing where there were none

  Those of the workers and their fleet are in `PortWorker.Telemetry`: who waits, how long calls take, what grows and shrinks.
  """

  import Telemetry.Metrics

  alias Sekai.Runners.Usage

  @doc "Every event."
  @spec events() :: [[atom(), ...], ...]
  def events, do: [[:sekai, :runners, :usage], [:sekai, :runners, :total], [:sekai, :runners, :boot]]

  @doc "For a reporter of `Telemetry.Metrics`, as the dashboard of Phoenix is one."
  @spec metrics() :: [Telemetry.Metrics.t()]
  def metrics do
    [
      last_value("sekai.runners.usage.runners"),
      last_value("sekai.runners.usage.workers"),
      last_value("sekai.runners.usage.utilisation"),
      last_value("sekai.runners.usage.busy"),
      last_value("sekai.runners.usage.cost_per_1000"),
      last_value("sekai.runners.total.cost"),
      summary("sekai.runners.boot.duration", unit: {:native, :millisecond})
    ]
  end

  @doc false
  @spec usage(atom(), Usage.report()) :: :ok
  def usage(pool, report), do: execute(:usage, report, %{pool: pool})

  @doc false
  @spec total(atom(), Usage.total()) :: :ok
  def total(pool, total), do: execute(:total, total, %{pool: pool})

  @doc false
  @spec boot(atom(), integer(), :ok | {:exit, term()}) :: :ok
  def boot(pool, duration, result), do: execute(:boot, %{duration: duration}, %{pool: pool, result: result})

  defp execute(event, measured, about), do: :telemetry.execute([:sekai, :runners, event], measured, about)
end
