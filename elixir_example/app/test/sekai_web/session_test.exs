defmodule SekaiWeb.SessionTest do
  use SekaiWeb.ConnCase

  alias Sekai.Accounts

  defp typed(conn), do: put_req_header(conn, "sec-fetch-site", "none")

  defp signed_in(conn, user), do: post(conn, "/login", token: Accounts.token(user))

  test "an address with a token, typed, makes a session", %{conn: conn} do
    conn = conn |> typed() |> get("/login?token=#{Accounts.token(admin())}")
    assert redirected_to(conn) == "/"
    assert conn |> get("/") |> html_response(200) =~ "Sign out"
  end

  test "one that another site has opened waits for the form to be sent", %{conn: conn} do
    token = Accounts.token(admin())

    for site <- ["cross-site", "same-site", nil] do
      conn = if site, do: put_req_header(conn, "sec-fetch-site", site), else: conn
      conn = get(conn, "/login?token=#{token}")
      assert html_response(conn, 200) =~ token
      refute conn |> get("/") |> html_response(200) =~ "Sign out"
    end
  end

  test "the form makes a session, spaces around the token or not", %{conn: conn} do
    conn = post(conn, "/login", token: " #{Accounts.token(user())}\n")
    assert redirected_to(conn) == "/"
    assert conn |> get("/") |> html_response(200) =~ "Sign out"
  end

  test "the form without its secret is refused", %{conn: conn} do
    conn = put_private(conn, :plug_skip_csrf_protection, false)

    assert_raise Plug.CSRFProtection.InvalidCSRFTokenError, fn ->
      post(conn, "/login", token: Accounts.token(user()))
    end

    assert_raise Plug.CSRFProtection.InvalidCSRFTokenError, fn -> delete(conn, "/logout") end
  end

  test "a token that does not hold is said so", %{conn: conn} do
    assert conn |> post("/login", token: "nonsense") |> html_response(401) =~ "no token of this server"
    assert conn |> post("/login", %{}) |> html_response(401) =~ "no token of this server"
    assert conn |> typed() |> get("/login?token=nonsense") |> html_response(401) =~ "no token of this server"
    assert conn |> post("/login", token: %{"a" => "b"}) |> html_response(401)

    week_ago = System.system_time(:second) - 8 * 24 * 3600
    expired = Phoenix.Token.sign(SekaiWeb.Endpoint, "sekai access token", user().id, signed_at: week_ago)
    assert conn |> post("/login", token: expired) |> html_response(401) =~ "older than a week"

    gone = user()
    token = Accounts.token(gone)
    Repo.delete!(gone)
    assert conn |> post("/login", token: token) |> html_response(401) =~ "is gone"
  end

  test "a session ends with its user", %{conn: conn} do
    user = user()
    conn = signed_in(conn, user)
    Repo.delete!(user)
    refute conn |> get("/") |> html_response(200) =~ "Sign out"
  end

  test "signing in begins another session", %{conn: conn} do
    conn = get(conn, "/login")
    before = conn.resp_cookies["_sekai_key"].value
    conn = signed_in(conn, user())
    refute conn.resp_cookies["_sekai_key"].value == before
    refute get_session(conn, "_csrf_token")
  end

  test "signing out ends the session and the live views that it has", %{conn: conn} do
    user = user()
    conn = signed_in(conn, user)
    SekaiWeb.Endpoint.subscribe("viewer:#{user.id}")

    conn = delete(conn, "/logout")
    assert redirected_to(conn) == "/"
    assert_receive %Phoenix.Socket.Broadcast{event: "disconnect"}
    refute conn |> get("/") |> html_response(200) =~ "Sign out"
  end

  test "pages allow nothing that is not from here, and need nothing else", %{conn: conn} do
    for path <- ["/", "/login"] do
      conn = get(conn, path)
      assert [policy] = get_resp_header(conn, "content-security-policy")
      assert policy =~ "default-src 'none'"
      assert policy =~ "frame-ancestors 'none'"
      refute policy =~ "unsafe"
      assert get_resp_header(conn, "referrer-policy") == ["no-referrer"]
      assert get_resp_header(conn, "x-content-type-options") == ["nosniff"]

      html = html_response(conn, 200)
      refute html =~ ~r/\sstyle=|<style|\son[a-z]+=/
      assert Regex.scan(~r/<script[^>]*>/, html) |> List.flatten() |> Enum.all?(&(&1 =~ ~r{src="/}))

      for [_all, asset] <- Regex.scan(~r/(?:src|href)="(\/[^"]+\.\w+)"/, html) do
        assert conn |> recycle() |> get(asset) |> response(200) != ""
      end
    end
  end

  test "a token is not logged", %{conn: conn} do
    token = Accounts.token(user())
    previous = Logger.level()
    Logger.configure(level: :debug)
    on_exit(fn -> Logger.configure(level: previous) end)

    log = ExUnit.CaptureLog.capture_log(fn -> post(conn, "/login", token: token) end)
    assert log =~ "FILTERED"
    refute log =~ token
  end
end
