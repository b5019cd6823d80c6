defmodule PortWorker.Lease.Tether do
  @moduledoc false
  # What a lease places: a worker's connection, and beside it a process that stops it when the lease is gone, or can't be
  # heard of, or has another one. So a worker is never left behind, whoever died.

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

    receive do
      {:DOWN, _monitor, :process, ^connection, _reason} -> :ok
      {:DOWN, _monitor, :process, ^holder, _reason} -> PortWorker.stop(connection)
      :let_go -> PortWorker.stop(connection)
    end
  end
end
