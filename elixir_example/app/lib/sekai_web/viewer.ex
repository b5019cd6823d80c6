defmodule SekaiWeb.Viewer do
  @moduledoc """
  Who looks at the page: nobody in particular, or the user whose token the session has.

  The token is checked each time: a session ends with it, and rights that were withdrawn are withdrawn at once. So a live
  view asks `admin?/1` again before it does what is only for administrators, whatever its buttons look like.
  """

  import Phoenix.Component, only: [assign: 2]
  import Phoenix.LiveView, only: [put_private: 3]
  import Plug.Conn, except: [assign: 3, put_private: 3]

  alias Sekai.Accounts

  @enforce_keys [:user, :admin?]
  defstruct @enforce_keys

  @type t :: %__MODULE__{user: Accounts.User.t() | nil, admin?: boolean()}

  @key "access_token"

  @doc "Has the session be that of the token's user: a new one, so that nobody has it already."
  @spec sign_in(Plug.Conn.t(), String.t()) ::
          {:ok, Plug.Conn.t()} | {:error, :invalid | :expired | :unknown_user}
  def sign_in(conn, token) do
    with {:ok, user} <- Accounts.authenticate(token) do
      {:ok, conn |> renew() |> put_session(@key, token) |> put_session(:live_socket_id, "viewer:#{user.id}")}
    end
  end

  @doc "Ends the session, and the live views of its user."
  @spec sign_out(Plug.Conn.t()) :: Plug.Conn.t()
  def sign_out(conn) do
    if id = get_session(conn, :live_socket_id), do: SekaiWeb.Endpoint.broadcast(id, "disconnect", %{})
    renew(conn)
  end

  defp renew(conn) do
    Plug.CSRFProtection.delete_csrf_token()
    conn |> configure_session(renew: true) |> clear_session()
  end

  @doc "As a hook of live views: assigns `viewer`, and the token for `admin?/1`."
  @spec on_mount(:default, map(), map(), Phoenix.LiveView.Socket.t()) :: {:cont, Phoenix.LiveView.Socket.t()}
  def on_mount(:default, _params, session, socket) do
    token = session[@key]
    {:cont, socket |> put_private(:access_token, token) |> assign(viewer: of_token(token))}
  end

  @doc "The user of a token, or nobody."
  @spec of_token(String.t() | nil) :: t()
  def of_token(nil), do: %__MODULE__{user: nil, admin?: false}

  def of_token(token) do
    case Accounts.authenticate(token) do
      {:ok, user} -> %__MODULE__{user: user, admin?: Accounts.admin?(user)}
      {:error, _why} -> of_token(nil)
    end
  end

  @doc "Whether who looks may administer, as of now."
  @spec admin?(Phoenix.LiveView.Socket.t()) :: boolean()
  def admin?(socket), do: of_token(socket.private[:access_token]).admin?
end
