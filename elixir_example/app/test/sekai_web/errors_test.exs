defmodule SekaiWeb.ErrorsTest do
  use SekaiWeb.ConnCase

  alias PortWorker.Error
  alias SekaiWeb.ApiError

  @spec_md Path.expand("../../../../protocol/SPEC.md", __DIR__)
  @client Path.expand("../../../client/lib/port_worker/error.ex", __DIR__)

  describe "each code of a worker" do
    # The first column of the table under the heading.
    defp codes(path, heading, row) do
      text = File.read!(path)
      [_before, after_heading] = String.split(text, heading, parts: 2)

      table =
        after_heading
        |> String.split("\n")
        |> Enum.drop_while(&(not (&1 =~ row)))
        |> Enum.take_while(&(&1 =~ "|"))

      for line <- table, [_all, code] <- [Regex.run(row, line)], do: String.to_atom(code)
    end

    test "has a status, and there is none besides" do
      of_worker = codes(@spec_md, "\n## Errors", ~r/^\| `(\w+)` \|/)
      of_client = codes(@client, "Codes that this client raises", ~r/^  \| `:(\w+)` \|/)
      assert length(of_worker) > 30
      assert length(of_client) > 10
      assert Enum.sort(Map.keys(ApiError.worker_statuses())) == Enum.sort(Enum.uniq(of_worker ++ of_client))
    end

    test "that may be asked again has a status that says so, and no other has" do
      own = fn code -> Error.new(code, "").retryable? end
      [_before, table] = @spec_md |> File.read!() |> String.split("\n## Errors", parts: 2)

      for {code, status} <- ApiError.worker_statuses(), status in [503, 504] do
        assert own.(code) or table =~ ~r/\| `#{code}` \| \w+ \| yes \|/,
               "#{code} is #{status}, and never succeeds"
      end
    end

    test "comes to a status of HTTP, with its message" do
      for {code, status} <- ApiError.worker_statuses() do
        assert %ApiError{status: ^status, code: ^code, message: "said"} = ApiError.from(Error.new(code, "said"))
        assert Plug.Conn.Status.reason_phrase(status)
      end
    end

    test "of a worker that is newer is this server's trouble" do
      assert %ApiError{status: 500, code: :haunted} = ApiError.from(Error.new(:haunted, "said"))
    end
  end

  describe "a request that can't be read" do
    setup %{conn: conn}, do: {:ok, conn: conn |> as(admin()) |> body()}

    test "is answered as any mistake", %{conn: conn} do
      for body <- ["{", "nonsense", "{\"interactions\": \xff}"] do
        error = conn |> post("/api/interactions", body) |> error(400)
        assert %{"code" => "malformed_body", "field" => "body"} = error
      end
    end

    test "is refused where it is too large", %{conn: conn} do
      large = Jason.encode!(%{interactions: [String.duplicate("a", 1_000_000)]})

      assert %{"code" => "body_too_large", "expected" => "at most 1000000 bytes"} =
               conn |> post("/api/interactions", large) |> error(413)
    end

    test "is refused where it is not JSON", %{conn: conn} do
      for {type, path} <- [
            {"text/plain", "/api/interactions"},
            {"application/x-www-form-urlencoded", "/api/retrain"}
          ] do
        error = conn |> put_req_header("content-type", type) |> post(path, "a=b") |> error(415)
        assert %{"code" => "unsupported_media_type", "expected" => "application/json", "got" => ^type} = error
      end

      error = conn |> delete_req_header("content-type") |> post("/api/interactions") |> error(415)
      assert %{"got" => "none"} = error
    end

    test "is refused where its address is no text", %{conn: conn} do
      assert %{"error" => %{"code" => "malformed_query"}} =
               conn |> get("/api/models?a=%ff") |> json_response(400)

      assert %{"field" => "version", "got" => "<<255>>"} =
               conn |> post("/api/models/%ff/activate", "") |> error(400)

      assert %{"field" => "version"} = conn |> post("/api/models/%00/activate", "") |> error(400)
    end

    test "is refused where it has what nobody asks for", %{conn: conn} do
      for path <- ["/api/models?page=2", "/healthz?deep=true", "/api/openapi?pretty=1"],
          do: assert(%{"code" => "unknown_parameter"} = conn |> get(path) |> error(400))
    end
  end

  # What the router raises is not in the conn that the endpoint returns.
  defp sent(conn, status) do
    assert {^status, headers, body} = Plug.Test.sent_resp(conn)
    assert {"content-type", "application/json; charset=utf-8"} in headers
    Jason.decode!(body)["error"]
  end

  describe "an answer to a mistake" do
    test "is JSON whatever is asked for, also of what there is not", %{conn: conn} do
      for accept <- ["text/html", "*/*", "application/json"], path <- ["/api", "/api/none", "/api/models/v1"] do
        conn = conn |> put_req_header("accept", accept) |> get(path)
        message = "there is no GET #{path}"
        assert %{"code" => "unknown_route", "message" => ^message} = sent(conn, 404)
      end

      conn = conn |> put_req_header("accept", "text/html") |> get("/api/models")
      assert %{"code" => "unauthenticated"} = error(conn, 401)
    end

    test "of this server's own has nothing of what went wrong", %{conn: conn} do
      admin = admin()
      Repo.query!("ALTER TABLE model_versions RENAME TO elsewhere")
      conn = conn |> as(admin) |> put_req_header("accept", "text/html")

      {500, headers, body} = assert_error_sent(500, fn -> get(conn, "/api/models") end)
      assert Jason.decode!(body)["error"]["code"] == "internal"
      refute body =~ "model_versions"
      assert {"content-type", "application/json; charset=utf-8"} in headers
    end

    test "of a database that is away, or others that write, may be asked again" do
      away = DBConnection.ConnectionError.exception("connection not available")
      assert %ApiError{status: 503, code: :database_unavailable} = ApiError.from(away)

      for code <- [:serialization_failure, :deadlock_detected],
          do:
            assert(
              %ApiError{status: 503, code: :contention} =
                ApiError.from(%Postgrex.Error{postgres: %{code: code}})
            )

      sent = ApiError.respond(build_conn(), ApiError.from(away))
      assert get_resp_header(sent, "retry-after") == ["1"]
      assert %ApiError{status: 500} = ApiError.from(%Postgrex.Error{postgres: %{code: :undefined_table}})
      assert %ApiError{status: 500} = ApiError.from(%RuntimeError{message: "secret"})
    end

    test "names a text that can't be stored" do
      for code <- [:untranslatable_character, :character_not_in_repertoire],
          do: assert(%ApiError{status: 400} = ApiError.from(%Postgrex.Error{postgres: %{code: code}}))
    end
  end

  @tag :capture_log
  test "without a connection of the database it is 503, before a worker is asked", %{conn: conn} do
    user = user()
    database_is_away()

    {503, headers, body} =
      assert_error_sent(503, fn -> conn |> as(user) |> get("/api/recommendations/#{user.id}") end)

    assert Jason.decode!(body)["error"]["code"] == "database_unavailable"
    assert {"retry-after", "1"} in headers
  end
end
