defmodule PortWorker.Greeter do
  @moduledoc false
  # Finds out when a connection's worker is ready.

  alias PortWorker.{Call, Error}

  # How soon it asks again where more callers wait for the boot than may.
  @again_ms 100

  @doc "Sends the calling process `message` once the worker is ready; never if its connection ends before."
  @spec start(pid(), term()) :: pid()
  def start(connection, message) do
    owner = self()

    spawn_link(fn -> greet(connection, owner, message) end)
  end

  defp greet(connection, owner, message) do
    case Call.await_ready(connection, :infinity) do
      {:ok, _facts} ->
        send(owner, message)

      {:error, %Error{code: :overloaded}} ->
        Process.sleep(@again_ms)
        greet(connection, owner, message)

      {:error, _ended} ->
        :ok
    end
  end
end
