defmodule PortWorker.Greeter do
  @moduledoc false
  # Finds out when a connection's worker is ready.

  alias PortWorker.Call

  @doc "Sends the calling process `message` once the worker is ready; never if its connection ends before."
  @spec start(pid(), term()) :: pid()
  def start(connection, message) do
    owner = self()

    spawn_link(fn ->
      with {:ok, _facts} <- Call.await_ready(connection, :infinity), do: send(owner, message)
    end)
  end
end
