defmodule SekaiWeb.Plugs.Received do
  @moduledoc """
  Notes when a request came, first of all plugs: its deadline counts from there, and so does its latency.

  What it waits for later, its body, its user or a connection of the database, is thus part of its time.
  """

  @behaviour Plug

  import Plug.Conn

  @impl true
  @spec init(keyword()) :: keyword()
  def init(options), do: options

  @impl true
  @spec call(Plug.Conn.t(), keyword()) :: Plug.Conn.t()
  def call(conn, _options), do: put_private(conn, :sekai_received_at, System.monotonic_time())

  @doc "How long ago the request came, in native units."
  @spec since(Plug.Conn.t()) :: integer()
  def since(conn), do: System.monotonic_time() - conn.private.sekai_received_at

  @doc "What is left of `timeout_ms` milliseconds that the request has in all; 0 where nothing is."
  @spec left_ms(Plug.Conn.t(), non_neg_integer()) :: non_neg_integer()
  def left_ms(conn, timeout_ms) do
    passed = conn |> since() |> System.convert_time_unit(:native, :millisecond)
    max(timeout_ms - passed, 0)
  end
end
