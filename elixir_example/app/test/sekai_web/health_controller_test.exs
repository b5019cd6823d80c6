defmodule SekaiWeb.HealthControllerTest do
  use SekaiWeb.ConnCase

  alias Sekai.{Recommender, ScriptedWorker}

  @tag :capture_log
  test "a node lives without a database and without a worker", %{conn: conn} do
    database_is_away()
    assert conn |> get("/healthz") |> described(200) == %{"status" => "ok"}
  end

  test "a node is ready once the database answers and a worker has a model", %{conn: conn} do
    ScriptedWorker.start()
    assert conn |> get("/readyz") |> described(200) == %{"status" => "ok", "missing" => []}
  end

  @tag :capture_log
  test "a node that is not says what is missing", %{conn: conn} do
    assert conn |> get("/readyz") |> described(503) == %{"status" => "unready", "missing" => ["worker"]}

    database_is_away()

    assert conn |> get("/readyz") |> described(503) == %{
             "status" => "unready",
             "missing" => ["database", "worker"]
           }
  end

  test "a worker without a model is not enough", %{conn: conn} do
    ScriptedWorker.start(env: %{"SCRIPTED_MODEL" => "none"})
    assert conn |> get("/readyz") |> described(503) == %{"status" => "unready", "missing" => ["model"]}
  end

  test "a worker that boots is not there yet", %{conn: conn} do
    start_supervised!(
      {PortWorker, name: Recommender, command: "/bin/sleep", args: ["60"], kill_after: 100, drain_timeout: 0}
    )

    assert conn |> get("/readyz") |> described(503) == %{"status" => "unready", "missing" => ["worker"]}
  end
end
