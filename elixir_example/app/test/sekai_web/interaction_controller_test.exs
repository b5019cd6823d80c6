defmodule SekaiWeb.InteractionControllerTest do
  use SekaiWeb.ConnCase

  alias Sekai.Interactions.Interaction

  setup %{conn: conn}, do: {:ok, conn: body(conn), user: user(), item: item()}

  defp report(conn, user, batch),
    do: conn |> as(user) |> post("/api/interactions", Jason.encode!(%{interactions: batch}))

  defp visit(item, more \\ %{}),
    do: Map.merge(%{id: Ecto.UUID.generate(), item_id: item.id, kind: "visit"}, more)

  test "a batch is recorded once, however often it is sent", %{conn: conn, user: user, item: item} do
    batch = [visit(item), visit(item, %{kind: "favourite", time: "2026-01-02T03:04:05Z"})]
    assert conn |> report(user, batch) |> described(200) == %{"accepted" => 2, "duplicates" => 0}
    assert conn |> report(user, batch) |> described(200) == %{"accepted" => 0, "duplicates" => 2}

    assert %{kind: "favourite", weight: 3.0, time: ~U[2026-01-02 03:04:05.000000Z], user_id: owner} =
             Repo.get!(Interaction, Enum.at(batch, 1).id)

    assert owner == user.id
  end

  test "they are the caller's own, or anybody's of an administrator's", %{conn: conn, user: user, item: item} do
    other = user()
    own = visit(item, %{user_id: String.upcase(user.id)})
    foreign = visit(item, %{user_id: other.id})
    assert %{"accepted" => 1} = conn |> report(user, [own]) |> described(200)

    error = conn |> report(user, [visit(item), foreign]) |> error(403)
    assert %{"code" => "forbidden", "field" => "interactions[1].user_id"} = error
    assert Repo.get(Interaction, foreign.id) == nil

    assert %{"accepted" => 1} = conn |> report(admin(), [foreign]) |> described(200)
    assert Repo.get!(Interaction, foreign.id).user_id == other.id
  end

  test "all are, or none", %{conn: conn, user: user, item: item} do
    fine = visit(item)
    error = conn |> report(user, [fine, visit(%{id: Ecto.UUID.generate()})]) |> error(422)
    assert %{"code" => "invalid_interaction", "field" => "interactions[1].item_id"} = error
    assert error["message"] =~ "does not exist"
    assert Repo.get(Interaction, fine.id) == nil

    ahead = DateTime.utc_now() |> DateTime.add(3600) |> DateTime.to_iso8601()
    error = conn |> report(user, [visit(item, %{time: ahead})]) |> error(422)
    assert %{"field" => "interactions[0].time"} = error
  end

  test "what is not as expected is named", %{conn: conn, user: user, item: item} do
    for {batch, field, expected} <- [
          {[visit(item), visit(item, %{kind: "glance"})], "interactions[1].kind", "one of favourite, visit"},
          {[visit(item, %{id: "one"})], "interactions[0].id", "a UUID"},
          {[visit(item, %{item_id: 7})], "interactions[0].item_id", "a string"},
          {[visit(item, %{time: "yesterday"})], "interactions[0].time", "a time as of ISO 8601"},
          {[], "interactions", "at least 1 of them"},
          {List.duplicate(visit(item), 1_001), "interactions", "at most 1000 of them"},
          {%{}, "interactions", "an array"}
        ] do
      assert %{"code" => "invalid_parameter", "field" => ^field, "expected" => ^expected} =
               conn |> report(user, batch) |> error(400)
    end

    assert %{"code" => "missing_parameter", "field" => "interactions[0].kind"} =
             conn |> report(user, [Map.delete(visit(item), :kind)]) |> error(400)

    # How much it says is not the reporter's to say.
    assert %{"code" => "unknown_parameter", "field" => "interactions[0].weight"} =
             conn |> report(user, [visit(item, %{weight: 1_000})]) |> error(400)

    for body <- ["{}", "{\"interaction\": []}"],
        do: assert(conn |> as(user) |> post("/api/interactions", body) |> error(400))

    assert %{"field" => "body", "expected" => "an object"} =
             conn |> as(user) |> post("/api/interactions", "[]") |> error(400)
  end
end
