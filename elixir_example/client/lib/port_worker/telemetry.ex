defmodule PortWorker.Telemetry do
  @moduledoc """
  The events of this library, emitted through `:telemetry` where an application has that; it is no dependency.

  `server` is the name of a connection, or its pid where it has none; for the events of a call it is what the caller
  gave. Times are in native units.

  | event | measurements | metadata | emitted by |
  |---|---|---|---|
  | `[:port_worker, :call, :start]` | `monotonic_time`, `system_time` | `server`, `op` | the caller |
  | `[:port_worker, :call, :stop]` | `duration`, `monotonic_time` | `server`, `op`, `result`: `:ok` or `:error`, `error`: `nil` or a `PortWorker.Error` | the caller |
  | `[:port_worker, :call, :exception]` | `duration`, `monotonic_time` | `server`, `op`, `kind`, `reason`, `stacktrace`: of what a progress function raised | the caller |
  | `[:port_worker, :queue, :sent]` | `duration`: how long the call waited to be sent | `server`, `op` | the connection |
  | `[:port_worker, :queue, :overloaded]` | `in_flight`, `waiting` | `server`, `op` of the call that was refused | the connection |
  | `[:port_worker, :worker, :ready]` | `duration`: of the boot | `server`, `os_pid`, `worker` and `model`: as in its hello | the connection |
  | `[:port_worker, :worker, :down]` | `duration`: since it was ready, or since its boot began | `server`, `os_pid`, `reason`: a `PortWorker.Error`, or what it was stopped with, as `:normal` or `:shutdown` | the connection |
  | `[:port_worker, :model, :activated]` | `system_time` | `server`, `model`: as in `PortWorker.status/2` | the connection |
  | `[:port_worker, :lease, :ready]` | `duration`: since it was begun to place the worker | `server`: the lease, `fleet` or `nil`, `node` | the lease |
  | `[:port_worker, :lease, :down]` | `duration`: since it was ready, or since it was begun to place it | `server`, `fleet`, `node`, `reason`: a `PortWorker.Error`, or what the other node says, as `:noconnection` | the lease |
  | `[:port_worker, :fleet, :load]` | `leases`, those `ready`, calls `in_flight`, `utilisation`: 1.0 is all that the ready ones can have | `server`: the fleet | the fleet, five times a second |
  | `[:port_worker, :fleet, :scaled]` | `leases`: from now on, `change`, `utilisation` | `server` | the fleet |

  A call that does not wait has no event of the queue. A connection is where its worker is, so the events of one that a lease
  has placed are emitted on the other node. A connection that is killed brutally emits nothing, nor does a lease that is
  stopped. Handlers of a connection's events hold up every caller while they run, and those of a lease its next worker: they
  are to be quick.
  """

  require Logger

  # The library is there at run time, or is not.
  @compile {:no_warn_undefined, :telemetry}

  @logged [
    [:port_worker, :worker, :ready],
    [:port_worker, :worker, :down],
    [:port_worker, :call, :exception],
    [:port_worker, :lease, :ready],
    [:port_worker, :fleet, :scaled]
  ]
  @events @logged ++
            [
              [:port_worker, :call, :start],
              [:port_worker, :call, :stop],
              [:port_worker, :queue, :sent],
              [:port_worker, :queue, :overloaded],
              [:port_worker, :model, :activated],
              [:port_worker, :lease, :down],
              [:port_worker, :fleet, :load]
            ]

  @handler "port_worker-default-logger"

  @doc """
  Every event.

      iex> [:port_worker, :call, :stop] in PortWorker.Telemetry.events()
      true
  """
  @spec events() :: [[atom(), ...], ...]
  def events, do: @events

  @doc """
  Logs boots and ends of workers, what progress functions raise, and how fleets grow and shrink. What workers say themselves,
  and that leases lose theirs, is logged without it.

  Returns `{:error, :no_telemetry}` where there is no `:telemetry`.
  """
  @spec attach_default_logger(Logger.level()) :: :ok | {:error, :already_exists | :no_telemetry}
  def attach_default_logger(level \\ :info) do
    if Code.ensure_loaded?(:telemetry),
      do: :telemetry.attach_many(@handler, @logged, &__MODULE__.log/4, %{level: level}),
      else: {:error, :no_telemetry}
  end

  @doc "Undoes `attach_default_logger/1`."
  @spec detach_default_logger() :: :ok | {:error, :not_found | :no_telemetry}
  def detach_default_logger do
    if Code.ensure_loaded?(:telemetry), do: :telemetry.detach(@handler), else: {:error, :no_telemetry}
  end

  @doc false
  @spec log([atom(), ...], map(), map(), %{level: Logger.level()}) :: :ok
  def log([:port_worker, :worker, :ready], %{duration: duration}, about, %{level: level}) do
    Logger.log(level, "#{worker(about)} is ready after #{ms(duration)} ms")
  end

  def log(
        [:port_worker, :worker, :down],
        %{duration: duration},
        %{reason: %PortWorker.Error{} = error} = about,
        _
      ),
      do: Logger.error("#{worker(about)} is down after #{ms(duration)} ms: #{error.code}: #{error.message}")

  def log([:port_worker, :worker, :down], %{duration: duration}, about, %{level: level}),
    do: Logger.log(level, "#{worker(about)} was stopped after #{ms(duration)} ms")

  def log([:port_worker, :call, :exception], _measured, about, _config) do
    Logger.error("#{about.op}: " <> Exception.format(about.kind, about.reason, about.stacktrace))
  end

  def log([:port_worker, :lease, :ready], %{duration: duration}, about, %{level: level}) do
    Logger.log(level, "#{inspect(about.server)} has a worker on #{about.node} after #{ms(duration)} ms")
  end

  def log([:port_worker, :fleet, :scaled], measured, about, %{level: level}) do
    used = round(100 * measured.utilisation)
    change = "#{measured.leases - measured.change} to #{measured.leases}"
    Logger.log(level, "#{inspect(about.server)} goes from #{change} leases, at #{used}% utilisation")
  end

  defp worker(about), do: "worker #{about.os_pid} of #{inspect(about.server)}"
  defp ms(native), do: System.convert_time_unit(native, :native, :millisecond)

  @doc false
  @spec call(GenServer.server(), atom(), (() -> PortWorker.result(term()))) :: PortWorker.result(term())
  def call(server, op, fun), do: if(enabled?(), do: span(server, op, fun), else: fun.())

  defp span(server, op, fun) do
    start = System.monotonic_time()
    about = %{server: server, op: op}
    execute([:call, :start], %{monotonic_time: start, system_time: System.system_time()}, about)

    try do
      fun.()
    catch
      kind, reason ->
        about = Map.merge(about, %{kind: kind, reason: reason, stacktrace: __STACKTRACE__})
        execute([:call, :exception], since(start), about)
        :erlang.raise(kind, reason, __STACKTRACE__)
    else
      {:ok, _value} = answer ->
        execute([:call, :stop], since(start), Map.merge(about, %{result: :ok, error: nil}))
        answer

      {:error, error} = answer ->
        execute([:call, :stop], since(start), Map.merge(about, %{result: :error, error: error}))
        answer
    end
  end

  defp since(start) do
    stop = System.monotonic_time()
    %{duration: stop - start, monotonic_time: stop}
  end

  @doc false
  @spec waited(GenServer.server(), atom(), integer()) :: :ok
  def waited(server, op, since) do
    if enabled?(),
      do: execute([:queue, :sent], %{duration: System.monotonic_time() - since}, %{server: server, op: op}),
      else: :ok
  end

  @doc false
  @spec overloaded(GenServer.server(), atom(), non_neg_integer(), non_neg_integer()) :: :ok
  def overloaded(server, op, in_flight, waiting) do
    execute([:queue, :overloaded], %{in_flight: in_flight, waiting: waiting}, %{server: server, op: op})
  end

  @doc false
  @spec worker_ready(GenServer.server(), pos_integer() | nil, integer(), map()) :: :ok
  def worker_ready(server, os_pid, since, hello) do
    about = %{server: server, os_pid: os_pid, worker: hello[:worker], model: hello[:model]}
    execute([:worker, :ready], %{duration: System.monotonic_time() - since}, about)
  end

  @doc false
  @spec worker_down(GenServer.server(), pos_integer() | nil, integer() | nil, term()) :: :ok
  # It was never spawned.
  def worker_down(_server, _os_pid, nil, _reason), do: :ok

  def worker_down(server, os_pid, since, reason) do
    about = %{server: server, os_pid: os_pid, reason: reason}
    execute([:worker, :down], %{duration: System.monotonic_time() - since}, about)
  end

  @doc false
  @spec model_activated(GenServer.server(), map()) :: :ok
  def model_activated(server, model) do
    execute([:model, :activated], %{system_time: System.system_time()}, %{server: server, model: model})
  end

  @doc false
  @spec lease_ready(map(), integer()) :: :ok
  def lease_ready(about, since),
    do: execute([:lease, :ready], %{duration: System.monotonic_time() - since}, about)

  @doc false
  @spec lease_down(map(), integer(), term()) :: :ok
  def lease_down(about, since, reason) do
    execute([:lease, :down], %{duration: System.monotonic_time() - since}, Map.put(about, :reason, reason))
  end

  @doc false
  @spec fleet_load(atom(), map()) :: :ok
  def fleet_load(fleet, measured), do: execute([:fleet, :load], measured, %{server: fleet})

  @doc false
  @spec fleet_scaled(atom(), non_neg_integer(), integer(), float()) :: :ok
  def fleet_scaled(fleet, leases, change, utilisation) do
    execute([:fleet, :scaled], %{leases: leases, change: change, utilisation: utilisation}, %{server: fleet})
  end

  defp execute(event, measurements, metadata) do
    if enabled?(), do: :telemetry.execute([:port_worker | event], measurements, metadata), else: :ok
  end

  # Where nobody has loaded it, nobody has attached a handler either.
  defp enabled?, do: :erlang.function_exported(:telemetry, :execute, 3)
end
