defmodule SekaiWeb.Plugs.RequireUser do
  @moduledoc "Lets nobody past whom `SekaiWeb.Plugs.Authenticate` does not know."

  @behaviour Plug

  alias SekaiWeb.Plugs.Authenticate

  @impl true
  @spec init(keyword()) :: keyword()
  def init(options), do: options

  @impl true
  @spec call(Plug.Conn.t(), keyword()) :: Plug.Conn.t()
  def call(%{assigns: %{current_user: %{}}} = conn, _options), do: conn

  def call(conn, _options),
    do: Authenticate.refuse(conn, :unauthenticated, "expected the header `authorization: Bearer TOKEN`")
end
