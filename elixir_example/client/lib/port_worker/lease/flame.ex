defmodule PortWorker.Lease.Flame do
  @moduledoc """
  Places a worker on a runner of a FLAME pool.

      {FLAME.Pool, name: MyApp.Runner, min: 0, max: 2, max_concurrency: 1, boot_timeout: 60_000}

      {PortWorker.Lease,
       name: MyApp.Recommender, placement: {PortWorker.Lease.Flame, pool: MyApp.Runner}, command: command, args: args}

    * `:pool` - the name of the `FLAME.Pool`

  FLAME is no dependency of this library: it has to be one of your application's. Give the pool `max_concurrency: 1`, so that
  a runner is one worker's, and let it start before the lease. `command` is that of the runner, which needs the
  worker's files and its home. A runner with a worker on it counts as busy, so `:idle_shutdown_after` does not end it.
  """

  @behaviour PortWorker.Lease.Placement

  @impl true
  def validate!(options) do
    case options do
      [pool: pool] when is_atom(pool) and pool != nil -> :ok
      _other -> raise ArgumentError, "expected [pool: name of a FLAME.Pool], got: #{inspect(options)}"
    end

    if not Code.ensure_loaded?(FLAME),
      do: raise(ArgumentError, "FLAME is not loaded: add {:flame, \"~> 0.5\"} to the dependencies in mix.exs")

    options[:pool]
  end

  # FLAME links its caller to the child, and ends the child when its caller ends: the lease is that caller.
  @impl true
  def place(pool, child, timeout), do: apply(FLAME, :place_child, [pool, child, [timeout: timeout]])
end
