defmodule SekaiWeb.RealWorkerTest do
  # A small world, a model that a real worker trains of it, and the API before both.
  use SekaiWeb.ConnCase

  alias Sekai.{Content, Interactions, Models, Recommender, World}
  alias Sekai.Accounts.User
  alias Sekai.Content.Item
  alias Sekai.Models.Serving

  @moduletag :worker
  @moduletag timeout: 300_000

  @bin Path.expand("../../../../bin", __DIR__)
  @size ~w(--users 200 --items 150 --visits 5000)

  setup_all do
    folder = Path.join(System.tmp_dir!(), "sekai_real_#{System.pid()}")
    on_exit(fn -> File.rm_rf!(folder) end)
    [home, world] = [Path.join(folder, "home"), Path.join(folder, "world")]
    # The same world twice: what the worker learns from, and what the database is to have.
    fixture(["--home", home])
    fixture(["--json-lines", world])

    start_supervised!(
      {PortWorker,
       name: Recommender, command: Path.join(@bin, "worker"), args: ["--home", home], boot_timeout: 120_000}
    )

    {:ok, %{version: version}} = PortWorker.retrain(Recommender, algorithm: "ALS", activate: :force, seed: 1)
    {:ok, world: world, version: version}
  end

  setup %{world: world, version: version} do
    World.load(world)
    # What the world's users did is known to the model; what they do now is not.
    now = DateTime.utc_now()
    {:ok, _model} = Models.put_version(%{version: version, algorithm: "ALS", trained_at: now, data_until: now})
    {:ok, _model} = Models.mark_active(version)
    :ok = Serving.refresh()
    {:ok, user: busiest()}
  end

  defp fixture(arguments) do
    {output, status} = System.cmd(Path.join(@bin, "fixture"), arguments ++ @size, stderr_to_stdout: true)
    assert status == 0, output
  end

  defp busiest do
    id =
      Repo.one!(
        from i in Interactions.Interaction,
          group_by: i.user_id,
          order_by: [desc: count(), asc: i.user_id],
          limit: 1,
          select: i.user_id
      )

    Repo.get!(User, id)
  end

  defp ask(conn, user, query \\ ""),
    do:
      conn
      |> as(user)
      |> get("/api/recommendations/#{user.id}?timeout_ms=30000&fallback=false&#{query}")
      |> described(200)

  defp ids(answer), do: Enum.map(answer["items"], & &1["id"])

  test "a user is recommended public items that they have not had", %{conn: conn, user: user, version: version} do
    answer = ask(conn, user, "n=20")
    assert %{"source" => "model", "model" => ^version, "fallback" => false} = answer
    assert length(ids(answer)) == 20
    had = user.id |> Interactions.history(10_000) |> MapSet.new(& &1.item_id)
    for id <- ids(answer), do: refute(MapSet.member?(had, id))

    scores = Enum.map(answer["items"], & &1["score"])
    assert scores == Enum.sort(scores, :desc)
    assert Repo.aggregate(from(i in Item, where: i.id in ^ids(answer) and i.is_public), :count) == 20
  end

  test "kinds and ids that are not wanted stay away", %{conn: conn, user: user} do
    [first | _] = conn |> ask(user, "kind=map") |> ids()
    answer = ask(conn, user, "kind=map,prop&exclude=#{first}")
    refute first in ids(answer)

    assert answer["items"] |> Enum.map(& &1["kind"]) |> Enum.uniq() |> Enum.sort() |> Kernel.--(["map", "prop"]) ==
             []
  end

  test "an item that is made private after the training is in no answer any more", %{conn: conn, user: user} do
    [first, second | _] = conn |> ask(user) |> ids()
    :ok = Item |> Repo.get!(first) |> Content.set_public(false)
    assert [^second | _] = answer = conn |> ask(user) |> ids()
    refute first in answer
    assert length(answer) == 10

    alike =
      conn |> as(user) |> get("/api/items/#{second}/similar?timeout_ms=30000&n=100") |> described(200) |> ids()

    refute first in alike
    assert conn |> as(user) |> get("/api/items/#{first}/similar") |> error(404)
  end

  test "what a user did since counts at once", %{conn: conn, user: user} do
    [first | _] = conn |> ask(user) |> ids()

    report = %{
      interactions: [
        %{
          id: Ecto.UUID.generate(),
          item_id: first,
          kind: "favourite",
          time: DateTime.add(DateTime.utc_now(), 1)
        }
      ]
    }

    assert conn |> as(user) |> body() |> post("/api/interactions", Jason.encode!(report)) |> described(200)
    answer = ask(conn, user)
    assert answer["source"] == "fold_in"
    refute first in ids(answer)
  end

  test "somebody who is new is recommended what is popular", %{conn: conn} do
    assert %{"source" => "popular", "fallback" => false, "items" => [_ | _]} = ask(conn, user())
  end

  test "items are similar to each other", %{conn: conn, user: user, version: version} do
    [item | _] = conn |> ask(user) |> ids()

    answer =
      conn
      |> as(user)
      |> get("/api/items/#{item}/similar?timeout_ms=30000&fallback=false&n=5")
      |> described(200)

    assert %{"source" => "model", "model" => ^version} = answer
    assert length(ids(answer)) == 5
    refute item in ids(answer)
  end

  test "the version that was trained may be activated, and no other", %{conn: conn, version: version} do
    conn = conn |> as(admin()) |> body()

    assert %{"version" => ^version, "active" => true} =
             conn |> post("/api/models/#{version}/activate") |> described(200)

    {:ok, _lost} =
      Models.put_version(%{
        version: "20200101T000000Z-als-000000",
        algorithm: "ALS",
        trained_at: DateTime.utc_now()
      })

    assert %{"code" => "unknown_version"} =
             conn |> post("/api/models/20200101T000000Z-als-000000/activate") |> error(404)

    assert conn |> get("/readyz") |> described(200)
  end
end
