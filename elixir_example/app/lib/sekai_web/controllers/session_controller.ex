defmodule SekaiWeb.SessionController do
  @moduledoc """
  Signs in with a token of `Sekai.Accounts.token/1`, and out.

  `/login?token=TOKEN` signs in at once where it was typed, or opened from outside of the browser. Where another site has
  the browser open it, it is a form that waits to be sent: nobody is to be signed in as somebody else unawares.
  """

  use SekaiWeb, :controller

  alias SekaiWeb.{SessionHTML, Viewer}

  plug :put_view, html: SessionHTML

  @refused %{
    invalid: "This is no token of this server.",
    expired: "This token is older than a week: ask for a new one.",
    unknown_user: "The user of this token is gone."
  }

  @doc "The form, or a session."
  @spec new(Plug.Conn.t(), map()) :: Plug.Conn.t()
  def new(conn, %{"token" => token}) when is_binary(token) do
    if get_req_header(conn, "sec-fetch-site") in [["none"], ["same-origin"]],
      do: sign_in(conn, token),
      else: form(conn, token, nil)
  end

  def new(conn, _params), do: form(conn, "", nil)

  @doc "A session for what the form was sent with."
  @spec create(Plug.Conn.t(), map()) :: Plug.Conn.t()
  def create(conn, %{"token" => token}) when is_binary(token), do: sign_in(conn, String.trim(token))
  def create(conn, _params), do: refuse(conn, "", :invalid)

  @doc "Ends the session."
  @spec delete(Plug.Conn.t(), map()) :: Plug.Conn.t()
  def delete(conn, _params), do: conn |> Viewer.sign_out() |> redirect(to: ~p"/")

  defp sign_in(conn, token) do
    case Viewer.sign_in(conn, token) do
      {:ok, conn} -> redirect(conn, to: ~p"/")
      {:error, why} -> refuse(conn, token, why)
    end
  end

  defp refuse(conn, token, why), do: conn |> put_status(401) |> form(token, @refused[why])

  defp form(conn, token, error), do: render(conn, :new, token: token, error: error, page_title: "Sign in")
end
