defmodule SekaiWeb.RetrainControllerTest do
  use SekaiWeb.ConnCase

  setup %{conn: conn}, do: {:ok, conn: conn |> as(admin()) |> body()}

  defp retrain(conn, asked), do: post(conn, "/api/retrain", Jason.encode!(asked))

  test "a training is asked for, looked at, and given up", %{conn: conn} do
    asked = %{algorithm: "BPR", params: %{embed_size: 16}, mode: "full", epochs: 3, activate: "never"}
    run = conn |> retrain(asked) |> described(202)
    assert %{"state" => "waiting", "algorithm" => "BPR", "params" => %{"embed_size" => 16}, "id" => id} = run

    assert %{"runs" => [%{"id" => ^id}]} = conn |> get("/api/retrain") |> described(200)
    assert %{"id" => ^id, "state" => "cancelled"} = conn |> delete("/api/retrain/#{id}") |> described(200)
    # One that has ended is left as it is.
    assert %{"state" => "cancelled"} = conn |> delete("/api/retrain/#{id}") |> described(200)
  end

  test "there is one at a time", %{conn: conn} do
    %{"id" => id} = conn |> retrain(%{}) |> described(202)
    assert %{"code" => "training_in_progress", "got" => got} = conn |> retrain(%{}) |> error(409)
    assert got == "#{id} (waiting)"
    conn |> delete("/api/retrain/#{id}") |> described(200)
    assert conn |> retrain(%{}) |> described(202)
  end

  test "what is not as expected is named", %{conn: conn} do
    for {asked, field} <- [
          {%{algorithm: "Oracle"}, "algorithm"},
          {%{epochs: "many"}, "epochs"},
          {%{params: []}, "params"}
        ],
        do: assert(%{"code" => "invalid_parameter", "field" => ^field} = conn |> retrain(asked) |> error(400))

    for {asked, field} <- [{%{epochs: 0}, "epochs"}, {%{params: %{embed_size: %{}}}, "params"}],
        do: assert(%{"code" => "invalid_parameter", "field" => ^field} = conn |> retrain(asked) |> error(422))

    assert %{"code" => "unknown_parameter", "field" => "speed"} = conn |> retrain(%{speed: 9}) |> error(400)
    assert %{"runs" => []} = conn |> get("/api/retrain") |> described(200)
  end

  test "a text that can't be stored is refused", %{conn: conn} do
    for params <- [%{loss: "a\0b"}, %{"a\0b" => 1}, %{loss: ["\0"]}],
        do: assert(%{"field" => "params"} = conn |> retrain(%{params: params}) |> error(422))
  end

  test "one that there is not is 404", %{conn: conn} do
    id = Ecto.UUID.generate()
    assert %{"code" => "unknown_run", "got" => ^id} = conn |> delete("/api/retrain/#{id}") |> error(404)
    assert %{"field" => "id", "expected" => "a UUID"} = conn |> delete("/api/retrain/last") |> error(400)
  end
end
