defmodule SekaiWeb.AuthenticationTest do
  use SekaiWeb.ConnCase

  alias Sekai.Accounts
  alias SekaiWeb.Router

  @open ~w(/healthz /readyz /api/openapi)
  @of_users ["/api/recommendations/:user_id", "/api/items/:id/similar", "/api/interactions"]

  defp routes do
    for %{path: path} = route <- Router.__routes__(),
        String.starts_with?(path, "/api") or path in @open,
        do: route
  end

  defp request(conn, %{verb: verb, path: path}) do
    path = Regex.replace(~r/:\w+/, path, Ecto.UUID.generate())
    conn |> put_req_header("content-type", "application/json") |> dispatch(@endpoint, verb, path, "{}")
  end

  test "who is not known gets to nothing but what is open", %{conn: conn} do
    for route <- routes(), route.path not in @open do
      conn = request(conn, route)
      assert %{"code" => "unauthenticated"} = error(conn, 401)
      assert get_resp_header(conn, "www-authenticate") == ["Bearer"]
    end
  end

  test "who does not administer gets to nothing but what is for users", %{conn: conn} do
    for route <- routes(),
        route.path not in (@open ++ @of_users),
        do: assert(%{"code" => "forbidden"} = conn |> as(user()) |> request(route) |> error(403))
  end

  test "administrators get everywhere", %{conn: conn} do
    for route <- routes(), do: refute((conn |> as(admin()) |> request(route)).status in [401, 403])
  end

  test "a right that was taken away is gone with the next request", %{conn: conn} do
    admin = admin()
    assert conn |> as(admin) |> get("/api/models") |> described(200)
    Repo.update_all(Accounts.UserPrivilegeRuleset, set: [is_admin: false])
    assert conn |> as(admin) |> get("/api/models") |> error(403)
  end

  test "a token that does not hold is refused, and said why", %{conn: conn} do
    user = user()
    gone = user()
    week_ago = System.system_time(:second) - 8 * 86_400

    cases = [
      {"Bearer none", "invalid_token"},
      {"Bearer ", "invalid_token"},
      {"Bearer", "invalid_token"},
      {"Basic " <> Base.encode64("ada:secret"), "invalid_token"},
      {"Bearer " <> Accounts.token(user, signed_at: week_ago), "expired_token"},
      {"Bearer " <> Accounts.token(gone), "unknown_user"}
    ]

    Repo.delete!(gone)

    for {header, code} <- cases do
      conn = conn |> put_req_header("authorization", header) |> get("/api/recommendations/#{user.id}")
      assert %{"code" => ^code} = error(conn, 401)
      assert get_resp_header(conn, "www-authenticate") == ["Bearer"]
    end
  end

  test "the scheme is of any case", %{conn: conn} do
    admin = admin()
    conn = put_req_header(conn, "authorization", "bearer " <> Accounts.token(admin))
    assert conn |> get("/api/models") |> described(200)
  end
end
