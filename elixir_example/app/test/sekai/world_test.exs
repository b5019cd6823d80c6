defmodule Sekai.WorldTest do
  use Sekai.DataCase, async: true

  alias Sekai.Accounts.User
  alias Sekai.Content.Item
  alias Sekai.Interactions.Interaction
  alias Sekai.World

  @user "08b7d895-1477-474a-a6b7-207d7fd9f125"
  @map "88988968-6794-46df-add6-329e02f91800"

  setup do
    folder = Path.join(System.tmp_dir!(), "world-#{System.unique_integer([:positive])}")
    File.mkdir_p!(folder)
    on_exit(fn -> File.rm_rf!(folder) end)

    user = %{
      id: @user,
      username: "ada",
      display_name: "Ada",
      inserted_at: 1_700_000_000,
      platform: "quest",
      interest: "space"
    }

    map = %{
      id: @map,
      name: "Foundry",
      is_public: true,
      uploader_id: @user,
      style: "space",
      platform: "quest",
      size_kb: 9,
      tags: ["space"],
      inserted_at: 1_700_000_000
    }

    visit = %{user_id: @user, item_id: @map, kind: "visit", weight: 1.0, time: 1_700_000_000}

    write(folder, "users", [user])
    write(folder, "avatars", [])
    write(folder, "maps", [map])
    write(folder, "props", [])
    # The same twice: two visits.
    write(folder, "interactions", [%{visit | time: 1_699_999_000}, visit, visit])
    %{folder: folder}
  end

  test "loads all tables, and moves times so that the newest interaction has just been", %{folder: folder} do
    assert %{"users" => 1, "avatars" => 0, "maps" => 1, "props" => 0, "interactions" => 3} = World.load(folder)
    assert %User{username: "ada", inserted_at: ~U[2023-11-14 22:13:20.000000Z]} = Repo.get(User, @user)
    assert [%Item{id: @map, kind: "map", is_public: true, style: "space"}] = Repo.all(Item)

    assert [oldest, newest, newest] = Repo.all(from i in Interaction, order_by: i.time, select: i.time)
    assert DateTime.diff(newest, oldest) == 1_000
    assert DateTime.diff(DateTime.utc_now(), newest) in 0..60
  end

  test "loading it again changes nothing", %{folder: folder} do
    World.load(folder)
    before = Repo.all(from i in Interaction, order_by: i.id)
    assert %{"users" => 0, "maps" => 0, "interactions" => 0} = World.load(folder)
    assert Repo.all(from i in Interaction, order_by: i.id) == before
  end

  test "tells of what it writes", %{folder: folder} do
    World.load(folder, &send(self(), {&1, &2}))
    assert_received {"users", 1}
    assert_received {"interactions", 3}
  end

  test "a file that is missing is named", %{folder: folder} do
    File.rm!(Path.join(folder, "maps.jsonl"))
    assert %File.Error{path: path} = catch_error(World.load(folder))
    assert path =~ "maps.jsonl"
  end

  defp write(folder, name, rows),
    do: File.write!(Path.join(folder, name <> ".jsonl"), Enum.map(rows, &[Jason.encode!(&1), ?\n]))
end
