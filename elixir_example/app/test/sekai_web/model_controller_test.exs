defmodule SekaiWeb.ModelControllerTest do
  use SekaiWeb.ConnCase

  alias Sekai.{Models, ScriptedWorker}

  setup_all do: {:ok, script: ScriptedWorker.start()}

  setup %{conn: conn} do
    for {version, day} <- [{"a", 1}, {"b", 2}] do
      trained_at = DateTime.new!(Date.new!(2026, 1, day), ~T[00:00:00.000000])

      {:ok, _model} =
        Models.put_version(%{
          version: version,
          algorithm: "ALS",
          trained_at: trained_at,
          metrics: %{"ndcg" => 0.3}
        })
    end

    {:ok, conn: conn |> as(admin()) |> body()}
  end

  test "versions are listed newest first", %{conn: conn} do
    assert %{"active" => nil, "versions" => versions} = conn |> get("/api/models") |> described(200)
    assert Enum.map(versions, & &1["version"]) == ["b", "a"]
    assert %{"active" => false, "metrics" => %{"ndcg" => 0.3}, "data_until" => nil} = hd(versions)
  end

  test "a version is made to serve, twice as once", %{conn: conn, script: script} do
    ScriptedWorker.answer(script, %{activate: {:ok, %{version: "a", algorithm: "ALS", previous: nil}}})

    for _ <- 1..2 do
      assert %{"version" => "a", "active" => true} = conn |> post("/api/models/a/activate") |> described(200)
    end

    assert %{"active" => "a"} = conn |> get("/api/models") |> described(200)
  end

  test "a version that there is not is 404", %{conn: conn, script: script} do
    ScriptedWorker.answer(script, %{})
    assert %{"code" => "unknown_version", "got" => "c"} = conn |> post("/api/models/c/activate") |> error(404)
    assert ScriptedWorker.calls(script) == []
  end

  test "what the workers say is told, and the version before serves on", %{conn: conn, script: script} do
    for {code, status} <- [
          unknown_version: 404,
          swap_in_progress: 409,
          model_damaged: 502,
          deadline_exceeded: 504
        ] do
      ScriptedWorker.answer(script, %{activate: {:error, code}})
      assert %{"code" => told} = conn |> post("/api/models/b/activate") |> error(status)
      assert told == "#{code}"
    end

    assert %{"active" => nil} = conn |> get("/api/models") |> described(200)
  end
end
