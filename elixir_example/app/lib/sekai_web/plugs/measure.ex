defmodule SekaiWeb.Plugs.Measure do
  @moduledoc """
  Emits `[:sekai, :recommendations, :stop]` when a request for recommendations is answered: see `Sekai.Telemetry`.

  The option is the name of the operation. What the answer is made of is what the controller assigns as `answer`.
  """

  @behaviour Plug

  import Plug.Conn

  alias SekaiWeb.Plugs.Received

  @impl true
  @spec init(atom()) :: atom()
  def init(op), do: op

  @impl true
  @spec call(Plug.Conn.t(), atom()) :: Plug.Conn.t()
  def call(conn, op) do
    register_before_send(conn, fn conn ->
      :telemetry.execute([:sekai, :recommendations, :stop], %{duration: Received.since(conn)}, about(conn, op))
      conn
    end)
  end

  defp about(conn, op) do
    answer = conn.assigns[:answer] || %{source: nil, fallback: nil}
    fallback = answer.fallback && answer.fallback.code
    %{op: op, status: conn.status, source: answer.source, fallback: fallback, error: conn.private[:sekai_error]}
  end
end
