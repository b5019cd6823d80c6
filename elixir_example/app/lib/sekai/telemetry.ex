defmodule Sekai.Telemetry do
  @moduledoc """
  What can be measured of this application, as `:telemetry` events. Times are in native units.

  | event | measurements | metadata | when |
  |---|---|---|---|
  | `[:sekai, :recommendations, :stop]` | `duration`: from when the request came | `op`: `:recommend` or `:similar`, `status`: of HTTP, `source`: as of `t:Sekai.Recommendations.t/0`, `fallback`: nil, or the code of the error for which the list is a stored or popular one, `error`: nil, or the code that was answered | the API answers a request for items |
  | `[:sekai, :transaction, :retry]` | `attempt`, `wait_ms` | `code`, `name` | a transaction is done again: `Sekai.Transaction` |
  | `[:sekai, :runners, _]` | | | `Sekai.Runners.Telemetry` |
  | `[:sekai, :repo, :query]` | `total_time`, `queue_time`, `query_time`, `decode_time`, `idle_time` | `source`, `result`, ... | a query is done: `m:Ecto.Repo#module-telemetry-events` |
  | `[:port_worker, _, _]` | | | `PortWorker.Telemetry` |
  | `[:phoenix, _, _]`, `[:oban, _, _]`, `[:vm, _]` | | | of the libraries |

  A request that is refused before it is one for items, as without a token, is only in Phoenix's own.

      :telemetry.attach("slow", [:sekai, :recommendations, :stop], &MyApp.slow/4, nil)
  """

  import Telemetry.Metrics

  alias Sekai.Runners

  @doc "The events of this application's own."
  @spec events() :: [[atom(), ...], ...]
  def events,
    do: [[:sekai, :recommendations, :stop], [:sekai, :transaction, :retry]] ++ Runners.Telemetry.events()

  @doc "For a reporter of `Telemetry.Metrics`, as the dashboard of Phoenix is one."
  @spec metrics() :: [Telemetry.Metrics.t()]
  def metrics do
    ms = {:native, :millisecond}

    [
      # Whether the goal of 500 ms is kept, and for how many without a worker.
      summary("sekai.recommendations.stop.duration", unit: ms, tags: [:op, :source]),
      counter("sekai.recommendations.stop.duration", tags: [:op, :status]),
      counter("sekai.recommendations.fallbacks.count",
        event_name: [:sekai, :recommendations, :stop],
        tags: [:op, :fallback],
        keep: &(&1.fallback != nil)
      ),
      summary("sekai.repo.query.total_time", unit: ms, tags: [:source]),
      summary("sekai.repo.query.queue_time", unit: ms, tags: [:source]),
      counter("sekai.transaction.retry.attempt", tags: [:code, :name]),
      summary("port_worker.call.stop.duration", unit: ms, tags: [:op, :result]),
      summary("port_worker.queue.sent.duration", unit: ms),
      counter("port_worker.queue.overloaded.waiting"),
      counter("port_worker.worker.down.duration"),
      summary("vm.total_run_queue_lengths.total"),
      last_value("vm.memory.total", unit: {:byte, :megabyte})
    ] ++ Runners.Telemetry.metrics()
  end
end
