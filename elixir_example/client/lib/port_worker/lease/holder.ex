defmodule PortWorker.Lease.Holder do
  @moduledoc false
  # The process that bears a lease's name: it has a worker placed, publishes where, and has another one placed when that
  # one dies. While it places one it does nothing else; no call goes through it.

  use GenServer

  require Logger

  alias PortWorker.{Deadline, Error, Greeter, Route}
  alias PortWorker.Lease.{Options, Tether}

  @enforce_keys [:options]
  defstruct [:options, :connection, :retry, failures: 0, ready?: false, waiting: %{}]

  @spec start_link(Options.t()) :: GenServer.on_start()
  def start_link(options), do: GenServer.start_link(__MODULE__, options, name: options.name)

  @doc "The connection as it was placed last, or why there is none. Asks no process."
  @spec connection(atom()) :: {:ok, pid()} | {:error, Error.t()}
  def connection(name) do
    [{:placed, placed}] = :ets.lookup(name, :placed)
    placed
  rescue
    ArgumentError -> {:error, Error.new(:worker_down, "the lease #{inspect(name)} has ended")}
  end

  @doc "Waits until a placed worker is ready."
  @spec await(atom(), timeout()) :: :ok | {:error, Error.t()}
  def await(name, timeout) do
    # The holder is busy while it places: the time is kept here, too.
    GenServer.call(name, {:await, Deadline.new(timeout)}, timeout)
  catch
    :exit, {:timeout, _call} ->
      with {:ok, _connection} <- connection(name), do: not_ready()

    :exit, _reason ->
      {:error, Error.new(:worker_down, "the lease #{inspect(name)} has ended")}
  end

  @impl true
  def init(options) do
    # A runner that dies takes those with it that are linked to what was placed there.
    Process.flag(:trap_exit, true)
    :net_kernel.monitor_nodes(true)
    Route.open(options.name, PortWorker.Lease, options.name)
    publish(options, none("no worker is placed yet"))
    {:ok, %__MODULE__{options: options}, {:continue, :place}}
  end

  @impl true
  def handle_continue(:place, state), do: {:noreply, place(state)}

  @impl true
  def handle_info(:place, state), do: {:noreply, place(%{state | retry: nil})}

  # Somewhere to place it may just have come.
  def handle_info({:nodeup, _node}, %{retry: retry} = state) when retry != nil do
    Process.cancel_timer(retry)
    {:noreply, place(%{state | retry: nil})}
  end

  # One that was placed after the time to wait for it was over.
  def handle_info({:placed, tether, connection}, state) do
    if connection != state.connection, do: send(tether, :let_go)
    {:noreply, state}
  end

  def handle_info({:pong, connection}, %{connection: connection} = state) do
    for {_ref, from} <- state.waiting, do: GenServer.reply(from, :ok)
    {:noreply, %{state | ready?: true, failures: 0, waiting: %{}}}
  end

  def handle_info({:DOWN, _monitor, :process, connection, reason}, %{connection: connection} = state) do
    Logger.warning(
      "the worker of #{inspect(state.options.name)} on #{node(connection)} is gone: #{inspect(reason)}"
    )

    state = %{state | connection: nil}
    if state.ready?, do: {:noreply, place(state)}, else: {:noreply, retry(state, reason)}
  end

  def handle_info({:give_up, ref}, state) do
    {from, waiting} = Map.pop(state.waiting, ref)
    if from, do: GenServer.reply(from, not_ready(state))
    {:noreply, %{state | waiting: waiting}}
  end

  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  def handle_call({:await, _deadline}, _from, %{ready?: true} = state), do: {:reply, :ok, state}

  def handle_call({:await, deadline}, from, state) do
    ref = make_ref()
    left = Deadline.left(deadline)
    if left != :infinity, do: Process.send_after(self(), {:give_up, ref}, left)
    {:noreply, %{state | waiting: Map.put(state.waiting, ref, from)}}
  end

  # Somebody on another node who takes a lease for a worker is to be told, rather than to wait.
  @impl true
  def handle_cast({:call, _caller, reply_to, _key, _request}, state) do
    message = "the lease #{inspect(state.options.name)} is called by its name, on its own node"
    send(reply_to, {reply_to, :answer, {:error, Error.new(:worker_down, message)}})
    {:noreply, state}
  end

  def handle_cast(_other, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, %{connection: nil}), do: :ok

  def terminate(_reason, %{connection: connection}) do
    PortWorker.stop(connection)
  catch
    :exit, _gone -> :ok
  end

  defp place(%{options: %{placement: {module, config}} = options} = state) do
    state = %{state | ready?: false}

    case try_to_place(module, config, options) do
      {:ok, connection} ->
        Process.monitor(connection)
        Greeter.start(connection, {:pong, connection})
        publish(options, {:ok, connection})
        %{state | connection: connection}

      {:error, reason} ->
        Logger.error("a worker of #{inspect(options.name)} could not be placed: #{describe(reason)}")
        retry(state, reason)
    end
  end

  defp try_to_place(module, config, options) do
    child = %{
      id: options.name,
      start: {Tether, :start_link, [options.worker, self()]},
      restart: :temporary,
      shutdown: options.shutdown
    }

    module.place(config, child, options.place_timeout)
  catch
    :error, reason -> {:error, Exception.normalize(:error, reason, __STACKTRACE__)}
    _kind, reason -> {:error, reason}
  end

  defp retry(%{options: options} = state, reason) do
    publish(options, none("no worker is placed: #{describe(reason)}"))
    delay = min(options.backoff_max, options.backoff_min * Integer.pow(2, min(state.failures, 20)))
    %{state | retry: Process.send_after(self(), :place, delay), failures: state.failures + 1, ready?: false}
  end

  defp publish(options, placed), do: :ets.insert(options.name, {:placed, placed})
  defp none(message), do: {:error, Error.new(:worker_down, message)}

  defp not_ready(state), do: with({:ok, _connection} <- connection(state.options.name), do: not_ready())
  defp not_ready, do: {:error, Error.new(:deadline_exceeded, "the worker is placed, and is not ready yet")}

  defp describe(reason) when is_exception(reason), do: Exception.message(reason)
  defp describe(reason), do: inspect(reason)
end
