defmodule PortWorker.Lease.Tether do
  @moduledoc false
  # What a lease places: a worker's connection, and beside it a process that stops it when the lease is gone, or can't be
  # heard of, or has another one. So a worker is never left behind, whoever died. It answers the pings of the lease's proxy.

  @doc "Starts a connection for the lease `holder`. Runs where it was placed, in the supervisor there."
  @spec start_link(keyword(), pid()) :: GenServer.on_start()
  def start_link(options, holder) do
    with {:ok, connection} <- PortWorker.start_link(options) do
      spawn(fn -> hold(connection, holder) end)
      {:ok, connection}
    end
  rescue
    # What is mistaken may be so on this node only: a command that is not there.
    error in ArgumentError -> {:error, error}
  end

  defp hold(connection, holder) do
    Process.monitor(connection)
    Process.monitor(holder)
    # The lease may have stopped waiting for this one, and then says so.
    send(holder, {:placed, self(), connection})
    hold(connection, holder, nil)
  end

  defp hold(connection, holder, proxy) do
    receive do
      {:ping, ^proxy} ->
        send(proxy, {:pong, self()})
        hold(connection, holder, proxy)

      # The first one: it calls for the lease.
      {:ping, proxy} ->
        Process.monitor(proxy)
        send(proxy, {:pong, self()})
        hold(connection, holder, proxy)

      {:DOWN, _monitor, :process, ^connection, _reason} ->
        :ok

      {:DOWN, _monitor, :process, pid, _reason} when pid in [holder, proxy] ->
        PortWorker.stop(connection)

      :let_go ->
        PortWorker.stop(connection)
    end
  end
end
