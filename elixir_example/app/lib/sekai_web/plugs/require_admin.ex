defmodule SekaiWeb.Plugs.RequireAdmin do
  @moduledoc "Lets nobody past who may not administer. It costs one query."

  @behaviour Plug

  alias Sekai.Accounts
  alias SekaiWeb.ApiError

  @impl true
  @spec init(keyword()) :: keyword()
  def init(options), do: options

  @impl true
  @spec call(Plug.Conn.t(), keyword()) :: Plug.Conn.t()
  def call(conn, _options) do
    if Accounts.admin?(conn.assigns.current_user),
      do: conn,
      else: ApiError.respond(conn, ApiError.new(403, :forbidden, "only administrators may do this"))
  end
end
