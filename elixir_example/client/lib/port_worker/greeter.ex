defmodule PortWorker.Greeter do
  @moduledoc false
  # Finds out when a connection's worker answers for the first time.

  # How soon one is greeted again that boots and has as many calls as it may.
  @again_ms 50

  @doc "Sends the calling process `message` once the worker answers; never if its connection ends before."
  @spec start(pid(), term()) :: pid()
  def start(connection, message) do
    owner = self()
    spawn_link(fn -> greet(connection, Process.monitor(connection), owner, message) end)
  end

  defp greet(connection, monitor, owner, message) do
    with {:error, _error} <- PortWorker.ping(connection, timeout: :infinity) do
      receive do
        {:DOWN, ^monitor, :process, _pid, _reason} -> :ok
      after
        @again_ms -> greet(connection, monitor, owner, message)
      end
    else
      {:ok, :pong} -> send(owner, message)
    end
  end
end
