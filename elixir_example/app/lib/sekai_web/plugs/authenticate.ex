defmodule SekaiWeb.Plugs.Authenticate do
  @moduledoc """
  Assigns `current_user`, whose token is in the header `authorization: Bearer TOKEN`; nil where there is no such header.

  A token that does not hold is refused here, whatever the route asks for. It costs one query.
  """

  @behaviour Plug

  import Plug.Conn

  alias Sekai.Accounts
  alias SekaiWeb.ApiError

  @impl true
  @spec init(keyword()) :: keyword()
  def init(options), do: options

  @impl true
  @spec call(Plug.Conn.t(), keyword()) :: Plug.Conn.t()
  def call(conn, _options) do
    case get_req_header(conn, "authorization") do
      [] -> assign(conn, :current_user, nil)
      [credentials | _more] -> check(conn, String.split(credentials, " ", parts: 2))
    end
  end

  defp check(conn, [scheme, token]) do
    if String.downcase(scheme) == "bearer", do: known(conn, Accounts.authenticate(token)), else: malformed(conn)
  end

  defp check(conn, _credentials), do: malformed(conn)

  defp known(conn, {:ok, user}), do: assign(conn, :current_user, user)
  defp known(conn, {:error, :expired}), do: refuse(conn, :expired_token, "the token is older than a week")
  defp known(conn, {:error, :unknown_user}), do: refuse(conn, :unknown_user, "the token's user is gone")
  defp known(conn, {:error, :invalid}), do: refuse(conn, :invalid_token, "the token is none of this server's")

  defp malformed(conn), do: refuse(conn, :invalid_token, "the header authorization is not `Bearer TOKEN`")

  @doc "Answers 401."
  @spec refuse(Plug.Conn.t(), atom(), String.t()) :: Plug.Conn.t()
  def refuse(conn, code, message) do
    conn |> put_resp_header("www-authenticate", "Bearer") |> ApiError.respond(ApiError.new(401, code, message))
  end
end
