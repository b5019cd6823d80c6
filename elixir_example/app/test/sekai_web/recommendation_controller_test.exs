defmodule SekaiWeb.RecommendationControllerTest do
  use SekaiWeb.ConnCase

  import Sekai.ScriptedWorker, only: [answer: 2, calls: 1, found: 1, found: 2]

  alias Sekai.{Content, ScriptedWorker}
  alias Sekai.Models.Serving
  alias Sekai.Recommendations.Popular

  setup_all do: {:ok, script: ScriptedWorker.start()}

  setup do
    # What a test before has counted.
    :ok = Popular.refresh()
    :ok = Serving.refresh()
    {:ok, user: user()}
  end

  # A machine that has much to do is not to decide.
  defp ask(conn, user, query \\ %{}) do
    query = if is_map(query), do: Map.put_new(query, :timeout_ms, 20_000), else: query
    conn |> as(user) |> get("/api/recommendations/#{user.id}", query)
  end

  defp similar(conn, user, item, query \\ %{}),
    do: conn |> as(user) |> get("/api/items/#{item.id}/similar", Map.put_new(query, :timeout_ms, 20_000))

  defp ids(answer), do: Enum.map(answer["items"], & &1["id"])

  defp popular(item, users) do
    for _ <- 1..users, do: interaction(user(), item)
    :ok = Popular.refresh()
  end

  describe "a user's recommendations" do
    test "are items as the worker ranks them, with what is known of them", %{
      conn: conn,
      user: user,
      script: script
    } do
      [castle, hat] = [item(%{name: "castle"}), item(%{kind: "prop", name: "hat", style: "neon"})]
      answer(script, %{recommend: found([hat, castle], %{source: :fold_in})})

      answer = conn |> ask(user) |> described(200)
      assert ids(answer) == [hat.id, castle.id]
      assert %{"kind" => "prop", "name" => "hat", "style" => "neon", "score" => 2.0} = hd(answer["items"])
      assert %{"source" => "fold_in", "model" => "v1", "fallback" => false} = answer
      refute Map.has_key?(answer, "fallback_reason")
    end

    test "are as many, of the kinds and without the ids that are asked for", %{
      conn: conn,
      user: user,
      script: script
    } do
      items = for kind <- ["map", "prop", "avatar", "map"], do: item(%{kind: kind})
      [first | _] = items
      answer(script, %{recommend: found(items)})

      path =
        "/api/recommendations/#{String.upcase(user.id)}?n=1&kind=map&kind=prop,avatar&exclude=#{first.id}&timeout_ms=20000"

      assert conn |> as(user) |> get(path) |> described(200) |> ids() == [Enum.at(items, 1).id]
      assert [{:recommend, %{kinds: ~w(map prop avatar), exclude: [excluded]}, _deadline}] = calls(script)
      assert excluded == first.id
    end

    test "never have a private item in them, nor one that was made private since", %{
      conn: conn,
      user: user,
      script: script
    } do
      [private, public] = [item(%{is_public: false}), item()]
      answer(script, %{recommend: found([private, public])})
      assert conn |> ask(user) |> described(200) |> ids() == [public.id]

      :ok = Content.set_public(public, false)
      assert conn |> ask(user) |> described(200) |> ids() == []

      # Also from what was stored, and what is popular.
      :ok = Content.set_public(public, true)
      answer(script, %{recommend: {:error, :no_model}})
      popular(public, 2)
      stored_list(user, [private, public])
      :ok = Content.set_public(public, false)
      assert %{"items" => [], "source" => "popular"} = conn |> ask(user) |> described(200)
      assert %{"items" => [], "source" => "popular"} = conn |> ask(user()) |> described(200)
    end

    test "are for themselves, and for administrators", %{conn: conn, user: user, script: script} do
      answer(script, %{recommend: found([])})
      path = "/api/recommendations/#{user.id}?timeout_ms=20000"
      assert %{"code" => "forbidden"} = conn |> as(user()) |> get(path) |> error(403)
      assert calls(script) == []
      admin = admin()
      assert conn |> as(admin) |> get(path) |> described(200)
      assert [{:recommend, %{user: asked}, _deadline}] = calls(script)
      assert asked == user.id

      nobody = Ecto.UUID.generate()
      error = conn |> as(admin) |> get("/api/recommendations/#{nobody}") |> error(404)
      assert %{"code" => "unknown_user", "field" => "user_id", "got" => ^nobody} = error
    end
  end

  describe "a request's deadline" do
    test "is the worker's, less what a list in its place takes", %{conn: conn, user: user, script: script} do
      answer(script, %{recommend: found([])})
      conn |> ask(user, %{timeout_ms: 20_000, fallback: false}) |> described(200)
      conn |> ask(user, %{timeout_ms: 20_000}) |> described(200)
      assert [{_recommend, _arguments, whole}, {_again, _same, most}] = calls(script)
      assert whole in 15_000..20_000
      assert most in 11_000..15_000
    end

    test "is the smaller of the header and the query", %{conn: conn, user: user, script: script} do
      answer(script, %{recommend: found([])})
      conn = put_req_header(conn, "x-request-timeout-ms", "15000")
      conn |> ask(user, %{timeout_ms: 60_000, fallback: false}) |> described(200)
      assert [{:recommend, _arguments, deadline}] = calls(script)
      assert deadline in 10_000..15_000
    end

    test "counts from when the request came", %{user: user, script: script} do
      answer(script, %{recommend: found([])})
      waited = System.convert_time_unit(5_000, :millisecond, :native)

      conn =
        build_conn(:get, "/api/recommendations/#{user.id}?timeout_ms=20000&fallback=false")
        |> as(user)
        |> put_private(:sekai_received_at, System.monotonic_time() - waited)
        |> SekaiWeb.Router.call(SekaiWeb.Router.init([]))

      described(conn, 200)
      assert [{:recommend, _arguments, deadline}] = calls(script)
      assert deadline in 10_000..15_000
    end

    test "that is past has nothing done any more", %{user: user, script: script} do
      answer(script, %{recommend: found([])})
      stored_list(user, [item()])
      waited = System.convert_time_unit(300, :millisecond, :native)

      conn =
        build_conn(:get, "/api/recommendations/#{user.id}?timeout_ms=200&fallback=true")
        |> as(user)
        |> put_private(:sekai_received_at, System.monotonic_time() - waited)
        |> SekaiWeb.Router.call(SekaiWeb.Router.init([]))

      assert %{"code" => "deadline_exceeded"} = error(conn, 504)
      assert calls(script) == []
    end

    test "that a worker lets pass is 504, or a list that says so", %{conn: conn, user: user, script: script} do
      item = item()
      popular(item, 1)
      answer(script, %{recommend: :silence})

      assert %{"code" => "deadline_exceeded"} =
               conn |> ask(user, %{timeout_ms: 100, fallback: false}) |> error(504)

      answer = conn |> ask(user, %{timeout_ms: 100}) |> described(200)

      assert %{"fallback" => true, "fallback_reason" => %{"code" => "deadline_exceeded"}, "source" => "popular"} =
               answer

      assert ids(answer) == [item.id]
    end
  end

  describe "what a worker can't do" do
    test "is an error of its status, where no list will do", %{conn: conn, user: user, script: script} do
      for {code, status} <- [
            no_model: 503,
            draining: 503,
            internal: 502,
            model_damaged: 502,
            invalid_argument: 422
          ] do
        answer(script, %{recommend: {:error, code}})
        conn = ask(conn, user, %{timeout_ms: 20_000, fallback: false})
        assert %{"code" => told, "message" => _message} = error(conn, status)
        assert told == "#{code}"
        assert get_resp_header(conn, "retry-after") == if(status == 503, do: ["1"], else: [])
      end
    end

    test "is a list that says why, where one will do", %{conn: conn, user: user, script: script} do
      item = item()
      stored_list(user, [item])
      answer(script, %{recommend: {:error, :no_model}})
      answer = conn |> ask(user) |> described(200)

      assert %{
               "fallback" => true,
               "fallback_reason" => %{"code" => "no_model"},
               "source" => "stored",
               "model" => "v0"
             } = answer

      assert ids(answer) == [item.id]
    end

    test "for having too much to do is 503, to be asked again later", %{conn: conn, user: user, script: script} do
      stored_list(user, [item()])
      answer(script, %{recommend: {:error, :overloaded}})
      conn = ask(conn, user, %{timeout_ms: 20_000, fallback: true})
      assert %{"code" => "overloaded"} = error(conn, 503)
      assert get_resp_header(conn, "retry-after") == ["1"]
    end

    test "names the field that is to blame", %{conn: conn, user: user, script: script} do
      details = %{"field" => "kinds", "expected" => "a kind of the data", "got" => "map"}
      answer(script, %{recommend: {:error, :invalid_argument, details}})
      error = conn |> ask(user) |> error(422)
      assert Map.take(error, ~w(field expected got)) == details
    end
  end

  describe "similar items" do
    test "are as the worker has them, public ones", %{conn: conn, user: user, script: script} do
      [item, other, private] = [item(), item(), item(%{is_public: false})]
      answer(script, %{similar: found([private, other])})
      answer = conn |> similar(user, item, %{n: 5, kind: "map"}) |> described(200)
      assert ids(answer) == [other.id]
      assert %{"source" => "model", "model" => "v1", "fallback" => false} = answer
      assert [{:similar, %{kinds: ["map"], exclude: [excluded]}, _deadline}] = calls(script)
      assert excluded == item.id
    end

    test "of a private item are as those of none", %{conn: conn, user: user, script: script} do
      [private, none] = [item(%{is_public: false}), %{id: Ecto.UUID.generate()}]
      answer(script, %{similar: found([item()])})

      for item <- [private, none],
          do: assert(%{"code" => "unknown_item", "field" => "id"} = conn |> similar(user, item) |> error(404))

      :ok = Content.set_public(private, true)
      assert conn |> similar(user, private) |> described(200)
      :ok = Content.set_public(private, false)
      assert conn |> similar(user, private) |> error(404)
    end

    test "of what the model does not know are popular ones, or 404", %{conn: conn, user: user, script: script} do
      [item, other] = [item(), item()]
      popular(item, 2)
      popular(other, 1)
      answer(script, %{similar: {:error, :unknown_item}})
      answer = conn |> similar(user, item) |> described(200)
      assert %{"fallback" => true, "fallback_reason" => %{"code" => "unknown_item"}} = answer
      assert ids(answer) == [other.id]
      assert conn |> similar(user, item, %{fallback: false}) |> error(404)
    end
  end

  describe "parameters" do
    test "are named where they are not as expected", %{conn: conn, user: user, script: script} do
      answer(script, %{recommend: found([])})

      for {query, field, expected, got} <- [
            {"n=0", "n", "at least 1", "0"},
            {"n=101", "n", "at most 100", "101"},
            {"n=ten", "n", "an integer", "\"ten\""},
            {"n=1&n=2", "n", "an integer", "\"1,2\""},
            {"kind=map,castle", "kind[1]", "one of avatar, map, prop", "\"castle\""},
            {"kind=", "kind[0]", "one of avatar, map, prop", "\"\""},
            {"exclude=castle", "exclude[0]", "a UUID", "\"castle\""},
            {"timeout_ms=0", "timeout_ms", "at least 1", "0"},
            {"fallback=maybe", "fallback", "a boolean", "\"maybe\""}
          ] do
        error = conn |> as(user) |> get("/api/recommendations/#{user.id}?#{query}") |> error(400)

        assert %{"code" => "invalid_parameter", "field" => ^field, "expected" => ^expected, "got" => ^got} =
                 error
      end

      error = conn |> as(user) |> get("/api/recommendations/castle") |> error(400)
      assert %{"field" => "user_id", "expected" => "a UUID", "got" => "\"castle\""} = error

      error = conn |> put_req_header("x-request-timeout-ms", "soon") |> ask(user) |> error(400)
      assert %{"field" => "x-request-timeout-ms", "expected" => "an integer"} = error
      assert calls(script) == []
    end

    test "that nobody knows are refused", %{conn: conn, user: user} do
      for {query, field} <- [{"limit=5", "limit"}, {"kind[]=map", "kind[]"}, {"kind[a]=map", "kind[a]"}] do
        error = conn |> as(user) |> get("/api/recommendations/#{user.id}?#{query}") |> error(400)
        assert %{"code" => "unknown_parameter", "field" => ^field} = error
      end
    end
  end

  describe "what is measured" do
    setup do
      test = self()
      event = [:sekai, :recommendations, :stop]

      :telemetry.attach(
        "measured",
        event,
        fn _event, measured, about, _ -> send(test, {:measured, measured, about}) end,
        nil
      )

      on_exit(fn -> :telemetry.detach("measured") end)
    end

    test "is each request's time, and where its answer is from", %{conn: conn, user: user, script: script} do
      answer(script, %{recommend: found([], %{source: :fold_in}), similar: found([])})
      ask(conn, user)
      assert_received {:measured, %{duration: duration}, about}
      assert duration > 0
      assert about == %{op: :recommend, status: 200, source: :fold_in, fallback: nil, error: nil}
      similar(conn, user, item())
      assert_received {:measured, _measured, %{op: :similar, status: 200, source: :model}}
    end

    test "is why it was none of a worker's", %{conn: conn, user: user, script: script} do
      answer(script, %{recommend: {:error, :no_model}})
      ask(conn, user)
      assert_received {:measured, _measured, %{status: 200, source: :popular, fallback: :no_model, error: nil}}
      ask(conn, user, %{fallback: false})
      assert_received {:measured, _measured, %{status: 503, source: nil, fallback: nil, error: :no_model}}
    end
  end

  test "it takes three queries, and two more to ask for somebody else", %{
    conn: conn,
    user: user,
    script: script
  } do
    Sekai.Models.put_version(%{
      version: "v1",
      algorithm: "ALS",
      trained_at: DateTime.utc_now(),
      data_until: DateTime.utc_now()
    })

    {:ok, _v1} = Sekai.Models.mark_active("v1")
    :ok = Serving.refresh()
    answer(script, %{recommend: found([item()])})
    test = self()

    :telemetry.attach(
      "queries",
      [:sekai, :repo, :query],
      fn _event, _measured, about, _ -> send(test, {:query, about.source}) end,
      nil
    )

    on_exit(fn -> :telemetry.detach("queries") end)

    conn |> ask(user) |> described(200)
    assert queries() == ["users", "interactions", "items"]
    admin = admin()
    queries()
    conn |> as(admin) |> get("/api/recommendations/#{admin.id}?timeout_ms=20000") |> described(200)
    assert queries() == ["users", "interactions", "items"]
    conn |> as(admin) |> get("/api/recommendations/#{user.id}?timeout_ms=20000") |> described(200)
    assert queries() == ["users", "user_privilege_rulesets", "users", "interactions", "items"]
  end

  defp queries do
    receive do
      {:query, source} -> [source | queries()]
    after
      0 -> []
    end
  end
end
