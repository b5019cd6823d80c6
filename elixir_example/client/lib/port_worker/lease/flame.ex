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

  # FLAME 0.5 lends a runner that has just died as long as it has not heard of that, and its pool crashes when it then does.
  # It hears of it when the lease does, within a few milliseconds.
  @settle_ms 50

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

  @impl true
  def place(pool, child, timeout) do
    Process.sleep(@settle_ms)
    # Not linked, or it would end with its caller, which is not the lease.
    apply(FLAME, :place_child, [pool, child, [timeout: timeout, link: false]])
  end
end
