defmodule PortWorker.Lease.Holder do
  @moduledoc false
  # The process that bears a lease's name: it has a worker placed, publishes where, and has another one placed when that
  # one dies or is lost. No call goes through it, but through the proxy that it starts for each.
  #
  # Placing is left to a process of its own, since it may last as long as a runner boots, and may be killed: FLAME kills
  # whoever it lends a runner to that is about to be found dead. What is placed announces itself. The first one is kept,
  # and every other is let go, so that nothing depends on who has heard of what first.

  use GenServer

  require Logger

  alias PortWorker.{Error, Greeter, Route, Telemetry}
  alias PortWorker.Calls.Entry
  alias PortWorker.Lease.{Options, Proxy, Tether}
  alias PortWorker.Pool.Keeper

  @enforce_keys [:options]
  defstruct [:options, :connection, :proxy, :placer, :retry, :since, failures: 0, ready?: false, waiting: %{}]

  @spec start_link(Options.t()) :: GenServer.on_start()
  def start_link(options), do: GenServer.start_link(__MODULE__, options, name: options.name)

  @doc "The connection as it was placed last, and its proxy on this node; or why there is none. Asks no process."
  @spec placed(atom()) :: {:ok, %{connection: pid(), proxy: pid()}} | {:error, Error.t()}
  def placed(name) do
    [{:placed, placed}] = :ets.lookup(name, :placed)
    placed
  rescue
    ArgumentError -> {:error, Error.new(:worker_down, "the lease #{inspect(name)} has ended")}
  end

  @doc "Waits until a placed worker is ready."
  @spec await(atom(), timeout()) :: :ok | {:error, Error.t()}
  def await(name, timeout) do
    GenServer.call(name, {:await, timeout}, :infinity)
  catch
    :exit, _reason -> {:error, Error.new(:worker_down, "the lease #{inspect(name)} has ended")}
  end

  @impl true
  def init(options) do
    # So that terminate/2 runs, and that no placer takes this process with it.
    Process.flag(:trap_exit, true)
    :net_kernel.monitor_nodes(true)
    Route.open(options.name, PortWorker.Lease, options.name)
    {:ok, place(%__MODULE__{options: options})}
  end

  @impl true
  def handle_info(:place, state), do: {:noreply, place(%{state | retry: nil})}

  # Somewhere to place it may just have come.
  def handle_info({:nodeup, _node}, %{retry: retry} = state) when retry != nil do
    Process.cancel_timer(retry)
    {:noreply, place(%{state | retry: nil})}
  end

  def handle_info({:placed, tether, connection}, state) do
    state = keep(state, connection)
    if connection == state.connection, do: Proxy.watch(state.proxy, tether), else: send(tether, :let_go)
    {:noreply, state}
  end

  def handle_info({:DOWN, _monitor, :process, placer, reason}, %{placer: placer} = state) do
    state = %{state | placer: nil}

    case {reason, state.connection} do
      {{:shutdown, {:ok, connection}}, _kept} -> {:noreply, keep(state, connection)}
      # It was placed, and announced itself, before something went wrong.
      {_error, kept} when kept != nil -> {:noreply, state}
      {{:shutdown, {:error, reason}}, nil} -> {:noreply, retry(state, reason)}
      {reason, nil} -> {:noreply, retry(state, reason)}
    end
  end

  def handle_info({:ready, connection}, %{connection: connection} = state) do
    for {_ref, from} <- state.waiting, do: GenServer.reply(from, :ok)
    Telemetry.lease_ready(about(state), state.since)
    {:noreply, %{state | ready?: true, failures: 0, waiting: %{}, since: System.monotonic_time()}}
  end

  # It has ended, or was lost: then it is stopped as soon as it can be heard of.
  def handle_info({:EXIT, proxy, reason}, %{proxy: proxy, connection: connection} = state) do
    reason = with {:shutdown, reason} <- reason, do: reason

    Logger.warning(
      "the worker of #{inspect(state.options.name)} on #{node(connection)} is gone: #{describe(reason)}"
    )

    Telemetry.lease_down(about(state), state.since, reason)
    state = %{state | connection: nil, proxy: nil}
    {:noreply, if(state.ready?, do: place(%{state | ready?: false}), else: retry(state, reason))}
  end

  def handle_info({:give_up, ref}, state) do
    {from, waiting} = Map.pop(state.waiting, ref)
    if from, do: GenServer.reply(from, not_ready(state))
    {:noreply, %{state | waiting: waiting}}
  end

  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  def handle_call({:await, _timeout}, _from, %{ready?: true} = state), do: {:reply, :ok, state}

  def handle_call({:await, timeout}, from, state) do
    ref = make_ref()
    if timeout != :infinity, do: Process.send_after(self(), {:give_up, ref}, timeout)
    {:noreply, %{state | waiting: Map.put(state.waiting, ref, from)}}
  end

  def handle_call(_of_a_worker, _from, state),
    do: {:reply, {:error, Route.no_worker(state.options.name)}, state}

  @impl true
  def handle_cast({:call, _owner, %Entry{reply_to: reply_to}}, state) do
    send(reply_to, {reply_to, :answer, {:error, Route.no_worker(state.options.name)}})
    {:noreply, state}
  end

  def handle_cast(_other, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, %{connection: nil}), do: :ok

  # One that can't be heard of is not waited for: it stops when it hears that this process has ended.
  def terminate(_reason, %{connection: connection, options: options}) do
    GenServer.stop(connection, :normal, options.shutdown)
  catch
    :exit, _gone_or_late -> :ok
  end

  defp place(%{placer: nil, connection: nil, options: options} = state) do
    publish(options, none("no worker is placed yet: that takes a moment"))
    holder = self()
    {placer, _monitor} = Process.spawn(fn -> exit({:shutdown, place(options, holder)}) end, [:link, :monitor])
    %{state | placer: placer, since: System.monotonic_time()}
  end

  defp place(state), do: state

  # Runs in the placer.
  defp place(%{placement: {module, config}} = options, holder) do
    child = %{
      id: options.name,
      start: {Tether, :start_link, [options.worker, holder]},
      restart: :temporary,
      shutdown: options.shutdown
    }

    module.place(config, child, options.place_timeout)
  rescue
    error -> {:error, error}
  catch
    _kind, reason -> {:error, reason}
  end

  defp keep(%{connection: nil, options: options} = state, connection) do
    {:ok, proxy} = Proxy.start_link(connection, options.lost_after, options.max_queue)
    Greeter.start(proxy, {:ready, connection})
    publish(options, {:ok, %{connection: connection, proxy: proxy}})
    with {fleet, slot} <- options.fleet, do: Keeper.started(fleet, slot, proxy)
    if state.retry, do: Process.cancel_timer(state.retry)
    %{state | connection: connection, proxy: proxy, retry: nil}
  end

  defp keep(state, _another), do: state

  defp retry(%{options: options} = state, reason) do
    Logger.error("#{inspect(options.name)} has no worker: #{describe(reason)}")
    publish(options, none("no worker is placed: #{describe(reason)}"))
    delay = min(options.backoff_max, options.backoff_min * Integer.pow(2, min(state.failures, 20)))
    %{state | retry: Process.send_after(self(), :place, delay), failures: state.failures + 1}
  end

  defp about(%{options: options, connection: connection}) do
    fleet = with {fleet, _slot} <- options.fleet, do: fleet
    %{server: options.name, fleet: fleet, node: node(connection)}
  end

  defp publish(options, placed), do: :ets.insert(options.name, {:placed, placed})
  defp none(message), do: {:error, Error.new(:worker_down, message)}

  defp not_ready(state) do
    with {:ok, _placed} <- placed(state.options.name),
         do: {:error, Error.new(:deadline_exceeded, "the worker is placed, and is not ready yet")}
  end

  defp describe(reason) when is_exception(reason), do: Exception.message(reason)
  defp describe(reason), do: inspect(reason)
end
