defmodule SekaiWeb.RecommendationControllerTest do
  use SekaiWeb.ConnCase

  import Sekai.ScriptedWorker, only: [found: 2]

  alias Sekai.ScriptedWorker
  alias Sekai.Models.Serving
  alias Sekai.Recommendations.Popular

  setup_all do: {:ok, script: ScriptedWorker.start()}

  setup do
    # What a test before has counted.
    :ok = Popular.refresh()
    :ok = Serving.refresh()
    {:ok, user: user()}
  end

  defp ask(conn, user, query \\ []), do: conn |> as(user) |> get("/api/recommendations/#{user.id}", query)
  defp ids(answer), do: Enum.map(answer["items"], & &1["id"])

  test "items come as the worker ranks them, with what is known of them", %{
    conn: conn,
    user: user,
    script: script
  } do
    [castle, hat] = [item(%{name: "castle"}), item(%{kind: "prop", name: "hat", style: "neon"})]
    ScriptedWorker.answer(script, %{recommend: found([hat, castle], %{source: :fold_in})})

    answer = conn |> ask(user) |> described(200)
    assert ids(answer) == [hat.id, castle.id]
    assert %{"kind" => "prop", "name" => "hat", "style" => "neon", "score" => 2.0} = hd(answer["items"])
    assert %{"source" => "fold_in", "model" => "v1", "fallback" => false} = answer
    refute Map.has_key?(answer, "fallback_reason")
  end
end
