defmodule Sekai.Runners.Meter do
  @moduledoc """
  Looks at the runners and their workers five times a second, counts what they answer, and reports: the events of
  `Sekai.Runners.Telemetry`.

  What it looks at is there without it, and a meter that dies takes nothing with it but its sums.
  """

  use GenServer

  alias PortWorker.Fleet
  alias Sekai.Runners.{Telemetry, Usage}

  @look_ms 200

  @enforce_keys [:fleet, :pool, :capacity, :price_per_hour, :counter, :usage]
  defstruct @enforce_keys ++ [counted: 0, total: Usage.total(), booting: %{}]

  @doc "Options: the names `:fleet` and `:pool`, `:capacity` and `:price_per_hour` as of `Sekai.Runners.Usage.report/3`."
  @spec start_link(keyword()) :: GenServer.on_start()
  def start_link(options), do: GenServer.start_link(__MODULE__, options, name: __MODULE__)

  @doc "Emits what there was since the last report, and in all."
  @spec report() :: :ok
  def report do
    GenServer.call(__MODULE__, :report)
  catch
    # It is about to start, or to end.
    :exit, _reason -> :ok
  end

  @doc "As `:on_grow_start` of a `FLAME.Pool`."
  @spec boot_begins(map()) :: :ok
  def boot_begins(%{pid: pid}), do: GenServer.cast(__MODULE__, {:boot_begins, pid, System.monotonic_time()})

  @doc "As `:on_grow_end` of a `FLAME.Pool`."
  @spec boot_ends(:ok | {:exit, term()}, map()) :: :ok
  def boot_ends(result, %{pid: pid}),
    do: GenServer.cast(__MODULE__, {:boot_ends, pid, System.monotonic_time(), result})

  @impl GenServer
  def init(options) do
    # So that terminate/2 runs.
    Process.flag(:trap_exit, true)
    counter = :counters.new(1, [:write_concurrency])
    config = %{fleet: options[:fleet], counter: counter}
    :telemetry.detach(__MODULE__)
    :ok = :telemetry.attach(__MODULE__, [:port_worker, :call, :stop], &__MODULE__.count/4, config)
    Process.send_after(self(), :look, @look_ms)
    {:ok, struct!(__MODULE__, options ++ [counter: counter, usage: Usage.new(now())])}
  end

  # Runs in who has called.
  @doc false
  def count(_event, _measured, %{server: fleet, op: :recommend, result: :ok}, %{fleet: fleet} = config),
    do: :counters.add(config.counter, 1, 1)

  def count(_event, _measured, _about, _config), do: :ok

  @impl GenServer
  def handle_info(:look, state) do
    Process.send_after(self(), :look, @look_ms)
    {:noreply, look(state)}
  end

  def handle_info(_other, state), do: {:noreply, state}

  @impl GenServer
  def handle_call(:report, _from, state) do
    answered = :counters.get(state.counter, 1)
    state = look(state)

    {report, usage} =
      Usage.report(state.usage, now(),
        recommendations: answered - state.counted,
        capacity: state.capacity,
        price_per_hour: state.price_per_hour
      )

    total = Usage.total(state.total, report)
    Telemetry.usage(state.pool, report)
    Telemetry.total(state.pool, total)
    {:reply, :ok, %{state | usage: usage, total: total, counted: answered}}
  end

  @impl GenServer
  def handle_cast({:boot_begins, pid, at}, state),
    do: {:noreply, %{state | booting: Map.put(state.booting, pid, at)}}

  def handle_cast({:boot_ends, pid, at, result}, state) do
    {begun, booting} = Map.pop(state.booting, pid)
    if begun, do: Telemetry.boot(state.pool, at - begun, result)
    {:noreply, %{state | booting: booting}}
  end

  @impl GenServer
  def terminate(_reason, _state), do: :telemetry.detach(__MODULE__)

  defp look(state) do
    usage = state.usage |> Usage.runners(now(), runners(state.pool)) |> Usage.loads(now(), loads(state.fleet))
    %{state | usage: usage}
  end

  # `FLAME.Pool` says no more of them than when one comes or goes; here those that boot are among them.
  defp runners(pool) do
    DynamicSupervisor.count_children(Module.concat(pool, "RunnerSup")).active
  catch
    # The pool starts again.
    :exit, _reason -> 0
  end

  defp loads(fleet) do
    for %{state: state, in_flight: in_flight} <- Fleet.leases(fleet), state != :placing, do: in_flight
  rescue
    # The fleet starts again.
    ArgumentError -> []
  end

  defp now, do: System.monotonic_time(:millisecond)
end
