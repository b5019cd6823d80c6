defmodule PortWorker.Pool.Keeper do
  @moduledoc false
  # The process that bears the name of a pool or a fleet: it follows what becomes of the workers, and publishes that in the pool's table.
  # No call goes through it. If it ends, the pool goes on with what was published last, and the next one looks anew.
  #
  #     started --> booting --ready--> ready --drain--> draining
  #                    \________________\_________________\--death--> gone, until it is started again

  use GenServer

  alias PortWorker.{Error, Greeter, Route}
  alias PortWorker.Calls.Entry
  alias PortWorker.Pool.Table

  # How soon a caller that was killed no longer counts.
  @sweep_ms 500

  @enforce_keys [:table]
  defstruct [:table, workers: %{}, locks: %{}, waiting: %{}]

  @typedoc "What a pool does one at a time."
  @type task :: :training | :rolling

  @spec start_link(Table.t()) :: GenServer.on_start()
  def start_link(table), do: GenServer.start_link(__MODULE__, table, name: table.name)

  @doc "Tells that the worker of a place was started."
  @spec started(atom(), Table.slot(), pid()) :: :ok
  def started(pool, slot, pid), do: GenServer.cast(pool, {:started, slot, pid})

  @doc "Tells that a worker was found to drain."
  @spec found_draining(Table.t(), pid()) :: :ok
  def found_draining(table, pid), do: GenServer.cast(table.name, {:draining, pid})

  @doc "Has a worker chosen no more, from the return on."
  @spec set_aside(Table.t(), pid()) :: :ok | {:error, Error.t()}
  def set_aside(table, pid), do: ask(table, {:draining, pid})

  @doc "As `set_aside/2`, unless one of the workers trains: it may be this one."
  @spec retire(Table.t(), pid()) :: :ok | :taken | {:error, Error.t()}
  def retire(table, pid), do: ask(table, {:retire, pid})

  @doc "Waits until the workers of all these places are ready, or so many of any."
  @spec await(Table.t(), [Table.slot()] | pos_integer(), timeout()) :: :ok | {:error, Error.t()}
  def await(table, wanted, timeout), do: ask(table, {:await, wanted, timeout})

  @doc "Does what a pool does one at a time, or nothing if somebody else does."
  @spec alone(Table.t(), task(), (() -> result)) :: result | :taken | {:error, Error.t()} when result: var
  def alone(table, task, fun) do
    with :ok <- ask(table, {:lock, task}) do
      try do
        fun.()
      after
        GenServer.cast(table.name, {:unlock, task, self()})
      end
    end
  end

  defp ask(table, request) do
    GenServer.call(table.name, request, :infinity)
  catch
    :exit, _reason -> {:error, ended(table.name)}
  end

  @doc "What is told where there is no such process."
  @spec ended(atom()) :: Error.t()
  def ended(name), do: Error.new(:worker_down, "#{inspect(name)} has ended")

  @impl true
  def init(table) do
    Process.send_after(self(), :sweep, @sweep_ms)
    # Here rather than later, so that a pool can be called as soon as it is started.
    {:ok,
     table |> table.module.children() |> Enum.reduce(%__MODULE__{table: table}, &add(&2, &1)) |> publish()}
  end

  @impl true
  def handle_cast({:started, slot, pid}, state), do: {:noreply, state |> add({slot, pid}) |> publish()}
  def handle_cast({:draining, pid}, state), do: {:noreply, move(state, pid, :draining)}
  def handle_cast({:unlock, task, owner}, state), do: {:noreply, unlock(state, task, owner)}

  def handle_cast({:call, _owner, %Entry{reply_to: reply_to}}, state) do
    send(reply_to, {reply_to, :answer, {:error, Route.no_worker(state.table.name)}})
    {:noreply, state}
  end

  def handle_cast(_other, state), do: {:noreply, state}

  @impl true
  def handle_call({:draining, pid}, _from, state), do: {:reply, :ok, move(state, pid, :draining)}

  def handle_call({:retire, _pid}, _from, state) when is_map_key(state.locks, :training),
    do: {:reply, :taken, state}

  def handle_call({:retire, pid}, _from, state), do: {:reply, :ok, move(state, pid, :draining)}

  def handle_call({:await, wanted, timeout}, from, state) do
    ref = make_ref()
    if timeout != :infinity, do: Process.send_after(self(), {:give_up, ref}, timeout)
    {:noreply, tell_waiting(%{state | waiting: Map.put(state.waiting, ref, {from, wanted})})}
  end

  def handle_call({:lock, task}, _from, state) when is_map_key(state.locks, task), do: {:reply, :taken, state}

  def handle_call({:lock, task}, {owner, _tag}, state),
    do: {:reply, :ok, %{state | locks: Map.put(state.locks, task, {owner, Process.monitor(owner)})}}

  def handle_call(_of_a_worker, _from, state),
    do: {:reply, {:error, Route.no_worker(state.table.name)}, state}

  @impl true
  def handle_info({:DOWN, _monitor, :process, pid, _reason}, state) do
    state = Enum.reduce(Map.keys(state.locks), state, &unlock(&2, &1, pid))

    case slot_of(state, pid) do
      nil -> {:noreply, state}
      slot -> {:noreply, publish(%{state | workers: Map.delete(state.workers, slot)})}
    end
  end

  # One that was set aside while it booted stays so.
  def handle_info({:ready, slot, pid}, state) do
    case state.workers do
      %{^slot => {^pid, :booting}} -> {:noreply, move(state, pid, :ready)}
      _other -> {:noreply, state}
    end
  end

  def handle_info({:give_up, ref}, state) do
    {waiting, others} = Map.pop(state.waiting, ref)
    with {from, wanted} <- waiting, do: GenServer.reply(from, {:error, not_ready(state, wanted)})
    {:noreply, %{state | waiting: others}}
  end

  def handle_info(:sweep, state) do
    Table.sweep(state.table)
    Process.send_after(self(), :sweep, @sweep_ms)
    {:noreply, state}
  end

  def handle_info(_other, state), do: {:noreply, state}

  defp add(state, {slot, pid}) do
    if slot_of(state, pid) do
      state
    else
      Process.monitor(pid)
      Greeter.start(pid, {:ready, slot, pid})
      %{state | workers: Map.put(state.workers, slot, {pid, :booting})}
    end
  end

  defp move(state, pid, to) do
    case slot_of(state, pid) do
      nil -> state
      slot -> publish(%{state | workers: Map.put(state.workers, slot, {pid, to})})
    end
  end

  defp slot_of(state, pid) do
    Enum.find_value(state.workers, fn {slot, {worker, _state}} -> if worker == pid, do: slot end)
  end

  defp publish(state) do
    Table.publish(state.table, for({slot, {pid, at}} <- state.workers, do: {slot, pid, at}))
    tell_waiting(state)
  end

  defp tell_waiting(state) do
    {told, waiting} = Enum.split_with(state.waiting, fn {_ref, {_from, wanted}} -> ready?(state, wanted) end)

    for {_ref, {from, _wanted}} <- told, do: GenServer.reply(from, :ok)
    %{state | waiting: Map.new(waiting)}
  end

  defp ready?(state, count) when is_integer(count), do: ready(state) >= count
  defp ready?(state, slots), do: unready(state, slots) == []

  defp ready(state), do: Enum.count(state.workers, &match?({_slot, {_pid, :ready}}, &1))
  defp unready(state, slots), do: Enum.reject(slots, &match?(%{^&1 => {_pid, :ready}}, state.workers))

  defp not_ready(state, wanted) do
    message = "of #{inspect(state.table.name)} #{describe(state, wanted)}"
    Error.new(:deadline_exceeded, message)
  end

  defp describe(state, count) when is_integer(count),
    do: "#{ready(state)} workers are ready, expected #{count}"

  defp describe(state, slots),
    do: "these workers are not ready yet: #{state |> unready(slots) |> Enum.join(", ")}"

  defp unlock(state, task, owner) do
    case state.locks do
      %{^task => {^owner, monitor}} ->
        Process.demonitor(monitor, [:flush])
        %{state | locks: Map.delete(state.locks, task)}

      _other ->
        state
    end
  end
end
