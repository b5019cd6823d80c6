defmodule PortWorker.Lease.Proxy do
  @moduledoc false
  # A connection on another node, as a process of this one: what callers call and monitor. It passes on what they send;
  # answers come to them from over there directly.
  #
  # A process that sends to a node, or monitors a process there, may be suspended for as long as that node takes nothing,
  # which no timeout of its own ends. So no caller does: this process sends, and never waits. What the way to the other
  # node has no room for is kept, up to `max_queue` calls, and tried again soon.
  #
  # It ends with the connection, and when the tether beside that leaves so many pings unanswered that `lost_after` has
  # passed. Then the tether ends the connection, as soon as it hears of it.

  use GenServer

  alias PortWorker.Calls.Entry
  alias PortWorker.Error

  # How soon it is tried again where there was no room.
  @retry_ms 5
  # One missed ping may be this node's fault, which had no time to take the answer.
  @misses 4

  @enforce_keys [:connection, :lost_after, :max_queue]
  defstruct @enforce_keys ++ [:tether, :retry, misses: 0, kept: :queue.new()]

  @type lost_after :: pos_integer() | :infinity

  @doc "Starts the proxy of a connection, linked to the caller."
  @spec start_link(pid(), lost_after(), non_neg_integer()) :: GenServer.on_start()
  def start_link(connection, lost_after, max_queue),
    do: GenServer.start_link(__MODULE__, {connection, lost_after, max_queue})

  @doc "Says which process is beside the connection to answer pings."
  @spec watch(pid(), pid()) :: :ok
  def watch(proxy, tether), do: GenServer.cast(proxy, {:watch, tether})

  @impl true
  def init({connection, lost_after, max_queue}) do
    Process.flag(:message_queue_data, :off_heap)
    Process.monitor(connection)
    {:ok, %__MODULE__{connection: connection, lost_after: lost_after, max_queue: max_queue}}
  end

  @impl true
  def handle_cast({:watch, tether}, %{tether: nil} = state), do: {:noreply, ping(%{state | tether: tether})}
  def handle_cast({:watch, _again}, state), do: {:noreply, state}
  def handle_cast(request, state), do: {:noreply, pass(state, {:"$gen_cast", request})}

  @impl true
  def handle_call(request, from, state), do: {:noreply, pass(state, {:"$gen_call", from, request})}

  @impl true
  def handle_info({:pong, tether}, %{tether: tether} = state), do: {:noreply, %{state | misses: 0}}

  def handle_info(:ping, %{misses: @misses} = state) do
    message = "#{node(state.connection)} has said nothing for #{state.lost_after} ms"
    {:stop, {:shutdown, Error.new(:worker_down, message)}, state}
  end

  def handle_info(:ping, state), do: {:noreply, ping(state)}
  def handle_info(:retry, state), do: {:noreply, flush(%{state | retry: nil})}

  def handle_info({:DOWN, _monitor, :process, connection, reason}, %{connection: connection} = state),
    do: {:stop, {:shutdown, reason}, state}

  def handle_info(_other, state), do: {:noreply, state}

  # Where there is no room for a ping it is a missed one.
  defp ping(state) do
    send_over(state.tether, {:ping, self()})

    if state.lost_after != :infinity,
      do: Process.send_after(self(), :ping, max(div(state.lost_after, @misses), 1))

    %{state | misses: state.misses + 1}
  end

  defp pass(state, message) do
    cond do
      state.retry == nil and write(state.connection, message) != :full -> state
      :queue.len(state.kept) < state.max_queue or not call?(message) -> retry_later(keep(state, message))
      true -> refuse(state, message)
    end
  end

  defp keep(state, message), do: %{state | kept: :queue.in(message, state.kept)}

  defp flush(state) do
    with {{:value, message}, rest} <- :queue.out(state.kept),
         :ok <- write(state.connection, message) do
      flush(%{state | kept: rest})
    else
      {:empty, _kept} -> state
      :full -> retry_later(state)
    end
  end

  defp retry_later(%{retry: nil} = state), do: %{state | retry: Process.send_after(self(), :retry, @retry_ms)}
  defp retry_later(state), do: state

  defp write(connection, message) do
    case in_relative_time(message) do
      # Its caller has been answered.
      :expired -> :ok
      message -> send_over(connection, message)
    end
  end

  # Without a connection between the nodes there is a message to say so on its way.
  defp send_over(pid, message) do
    case :erlang.send(pid, message, [:nosuspend, :noconnect]) do
      :nosuspend -> :full
      _sent_or_gone -> :ok
    end
  end

  defp call?({:"$gen_cast", {:call, _owner, _entry}}), do: true
  defp call?(_other), do: false

  defp refuse(state, {:"$gen_cast", {:call, _owner, %Entry{reply_to: reply_to}}}) do
    message = "the way to #{node(state.connection)} is full, and #{state.max_queue} calls wait"
    send(reply_to, {reply_to, :answer, {:error, Error.new(:overloaded, message)}})
    state
  end

  # A time of this node's clock means nothing on another.
  defp in_relative_time({:"$gen_cast", {:call, owner, %Entry{expires_at: {:at, at}} = entry}}) do
    case at - now() do
      left when left > 0 -> {:"$gen_cast", {:call, owner, %{entry | expires_at: {:in, left}}}}
      _none -> :expired
    end
  end

  defp in_relative_time(message), do: message

  defp now, do: System.monotonic_time(:millisecond)
end
