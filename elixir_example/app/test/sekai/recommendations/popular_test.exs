defmodule Sekai.Recommendations.PopularTest do
  use Sekai.DataCase

  import Sekai.Eventually

  alias Sekai.Recommendations.Popular

  setup do
    {map, prop} = {item(), item(%{kind: "prop"})}
    for user <- [user(), user()], do: interaction(user, prop)
    interaction(user(), map)
    start_supervised!({Popular, name: __MODULE__.Popular, refresh_ms: 60_000})
    :ok = Popular.refresh(__MODULE__.Popular)
    {:ok, map: map, prop: prop}
  end

  test "what most users had comes first, of any kind or of some", %{map: map, prop: prop} do
    assert Popular.items(nil, __MODULE__.Popular) == [{prop.id, 2.0}, {map.id, 1.0}]
    assert Popular.items(["map"], __MODULE__.Popular) == [{map.id, 1.0}]
    assert Popular.items(["avatar"], __MODULE__.Popular) == []
  end

  test "it is counted anew after a while", %{map: map} do
    start_supervised!({Popular, name: __MODULE__.Quick, refresh_ms: 10}, id: :quick)
    for _ <- 1..3, do: interaction(user(), map)
    assert eventually(fn -> match?([{_prop, 4.0} | _], Popular.items(["map"], __MODULE__.Quick)) end)
  end

  test "a database that is away leaves the list of before", %{map: map} do
    before = Popular.items(nil, __MODULE__.Popular)
    Repo.query!("ALTER TABLE interactions RENAME TO elsewhere")

    log =
      ExUnit.CaptureLog.capture_log(fn ->
        assert {:error, %Postgrex.Error{}} = Popular.refresh(__MODULE__.Popular)
      end)

    assert log =~ "could not be counted"
    assert Popular.items(nil, __MODULE__.Popular) == before
    assert {map.id, 1.0} in before
  end

  test "there is none before it has started" do
    assert Popular.items(nil, __MODULE__.Nobody) == []
  end
end
