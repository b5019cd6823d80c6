defmodule PortWorker.Fleet.Scaler do
  @moduledoc false
  # Starts and ends a fleet's leases, as `PortWorker.Fleet.Scaling` decides. It is the only one that does: one that has died
  # is one too few, and is started as such.
  #
  # A lease that is to go is chosen no more, then its worker finishes what it has, refusing what comes from callers who chose
  # it just before, who then go elsewhere; then it ends. Each is seen off by a process of its own.

  use GenServer

  alias PortWorker.{Fleet, Lease, Telemetry}
  alias PortWorker.Fleet.{Options, Scaling}
  alias PortWorker.Pool.{Keeper, Table}

  @tick_ms 200
  # How soon it is looked again whether the last call is over.
  @poll_ms 20
  # Longer than a caller needs from choosing a worker to calling it.
  @late_ms 1_000

  @enforce_keys [:table, :options, :scaling]
  defstruct @enforce_keys ++ [retiring: %{}]

  @spec start_link({Table.t(), Options.t()}) :: GenServer.on_start()
  def start_link({_table, _options} = fleet), do: GenServer.start_link(__MODULE__, fleet)

  @impl true
  def init({table, options}),
    do: {:ok, %__MODULE__{table: table, options: options, scaling: options.scaling}, {:continue, :tick}}

  @impl true
  def handle_continue(:tick, state), do: handle_info(:tick, state)

  @impl true
  def handle_info(:tick, state) do
    Process.send_after(self(), :tick, @tick_ms)
    {:noreply, if(Fleet.drained?(state.table), do: state, else: state |> resume() |> scale())}
  end

  def handle_info({:DOWN, monitor, :process, _pid, _reason}, state),
    do: {:noreply, %{state | retiring: Map.reject(state.retiring, &match?({_slot, ^monitor}, &1))}}

  # Those that drain, because the scaler before this one has begun it, or because somebody has told them to.
  defp resume(state) do
    for {slot, pid, :draining} <- Table.workers(state.table),
        not is_map_key(state.retiring, slot),
        reduce: state,
        do: (state -> see_off(state, slot, pid))
  end

  defp scale(%{table: table} = state) do
    slots = Fleet.slots(table) -- Map.keys(state.retiring)
    workers = for {slot, _pid, _state} = worker <- Table.workers(table), slot in slots, do: worker

    seen = %{
      leases: length(slots),
      ready: Enum.count(workers, &match?({_slot, _pid, :ready}, &1)),
      in_flight:
        workers |> Enum.map(fn {slot, _pid, _state} -> Table.in_flight(table, slot) end) |> Enum.sum()
    }

    {decision, scaling} = Scaling.decide(state.scaling, System.monotonic_time(:millisecond), seen)
    utilisation = Scaling.utilisation(scaling, seen.ready)
    Telemetry.fleet_load(table.name, Map.put(seen, :utilisation, utilisation))
    act(decision, %{state | scaling: scaling}, slots, workers, utilisation)
  end

  defp act(:stay, state, _slots, _workers, _utilisation), do: state

  defp act({:grow, count}, state, slots, _workers, utilisation) do
    free = Enum.to_list(1..state.table.size) -- Fleet.slots(state.table)
    started = free |> Enum.take(count) |> Enum.filter(&start(state, &1))
    scaled(state, length(slots), length(started), utilisation)
  end

  defp act({:shrink, count}, state, slots, workers, utilisation) do
    retired = state |> least_useful(slots, workers) |> Enum.take(count) |> Enum.filter(&retire(state, &1))
    scaled(state, length(slots), -length(retired), utilisation)
    Enum.reduce(retired, state, fn {slot, pid}, state -> see_off(state, slot, pid) end)
  end

  defp start(state, slot) do
    child = Supervisor.child_spec({Lease, Options.lease(state.options, slot)}, restart: :temporary)
    match?({:ok, _pid}, DynamicSupervisor.start_child(Fleet.leases_name(state.table.name), child))
  end

  # Those without a worker first, then those whose worker has the fewest calls.
  defp least_useful(state, slots, workers) do
    pids = for {slot, pid, _state} <- workers, into: %{}, do: {slot, pid}

    slots
    |> Enum.sort_by(&{is_map_key(pids, &1), Table.in_flight(state.table, &1)})
    |> Enum.map(&{&1, pids[&1]})
  end

  # None goes while one trains, whichever that is: the training is in flight for long.
  defp retire(_state, {_slot, nil}), do: true
  defp retire(state, {_slot, pid}), do: Keeper.retire(state.table, pid) == :ok

  defp scaled(state, _before, 0, _utilisation), do: state

  defp scaled(state, before, change, utilisation) do
    Telemetry.fleet_scaled(state.table.name, before + change, change, utilisation)
    state
  end

  defp see_off(%{table: table} = state, slot, pid) do
    lease = Process.whereis(Options.lease_name(table.name, slot))
    {_pid, monitor} = spawn_monitor(fn -> see_off(table, slot, pid, lease) end)
    %{state | retiring: Map.put(state.retiring, slot, monitor)}
  end

  defp see_off(table, slot, pid, lease) do
    if pid != nil, do: finish(table, slot, pid)
    if lease != nil, do: DynamicSupervisor.terminate_child(Fleet.leases_name(table.name), lease)
  catch
    # The fleet has ended meanwhile.
    :exit, _reason -> :ok
  end

  # Where the worker dies meanwhile there is nothing to wait for.
  defp finish(table, slot, pid) do
    with {:ok, _completed} <- PortWorker.drain(pid, timeout: :infinity) do
      await_idle(table, slot, pid)
      Process.sleep(@late_ms)
      await_idle(table, slot, pid)
    end
  end

  defp await_idle(table, slot, pid) do
    if Table.in_flight(table, slot) > 0 and Process.alive?(pid) do
      Process.sleep(@poll_ms)
      await_idle(table, slot, pid)
    end
  end
end
