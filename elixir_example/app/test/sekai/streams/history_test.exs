defmodule Sekai.Streams.HistoryTest do
  use Sekai.DataCase, async: true

  import Sekai.StreamFakes, only: [attach: 1]

  alias Sekai.Streams.{Cursor, Event, History}

  @start ~U[2026-01-01 00:00:00.000000Z]

  setup do
    [ada, bob] = [user(), user()]
    map = item()
    # Three of each time, so that pages end within them.
    events =
      for n <- 0..20 do
        user = if rem(n, 2) == 0, do: ada, else: bob
        interaction(user, map, %{time: DateTime.add(@start, div(n, 3), :second)})
      end

    %{ada: ada.id, bob: bob.id, sorted: Enum.sort_by(events, &{DateTime.to_unix(&1.time), &1.id})}
  end

  defp ids(events), do: Enum.map(events, & &1.id)

  test "is in the order of time and id, whatever the pages are", %{sorted: sorted} do
    for page <- [1, 2, 4, 500], do: assert([page: page] |> History.stream() |> ids() == ids(sorted))
    assert %Event{kind: "visit", item_id: item, time: @start} = Enum.at(History.stream(), 0)
    assert item == hd(sorted).item_id
  end

  test "goes on after any place, and what was added later is there", %{sorted: sorted, ada: ada} do
    for {event, index} <- Enum.with_index(sorted) do
      place = Event.place(struct!(Event, Map.take(event, [:user_id, :id, :time])))
      assert [after: place, page: 2] |> History.stream() |> ids() == sorted |> Enum.drop(index + 1) |> ids()
    end

    last = Event.place(struct!(Event, Map.take(List.last(sorted), [:user_id, :id, :time])))
    added = interaction(%{id: ada}, item(), %{time: DateTime.add(@start, 1, :hour)})
    assert [after: last] |> History.stream() |> ids() == [added.id]
  end

  test "has what is at or after since, before until, and no more than limit", %{sorted: sorted} do
    since = ~U[2026-01-01 00:00:02Z]
    until = ~U[2026-01-01 00:00:05Z]

    assert [since: since, until: until, page: 2] |> History.stream() |> ids() ==
             sorted |> Enum.slice(6, 9) |> ids()

    for limit <- [1, 3, 5, 100],
        do: assert([limit: limit, page: 3] |> History.stream() |> ids() == sorted |> Enum.take(limit) |> ids())
  end

  test "reads a page when it is wanted" do
    attach([:page])
    assert [page: 5] |> History.stream() |> Enum.take(6) |> length() == 6
    assert_received {:telemetry, :page, %{read: 5, kept: 5, duration: _}, _}
    assert_received {:telemetry, :page, %{read: 5}, _}
    refute_received {:telemetry, :page, _measured, _}
  end

  test "has only the newest of each user in a page, if that is wanted", %{sorted: sorted, ada: ada, bob: bob} do
    expected =
      sorted
      |> Enum.chunk_every(7)
      |> Enum.flat_map(fn page ->
        for user <- [ada, bob], newest = page |> Enum.reverse() |> Enum.find(&(&1.user_id == user)), do: newest
      end)

    found = Enum.to_list(History.stream(page: 7, newest_only: true))
    assert Enum.sort(ids(found)) == Enum.sort(ids(expected))
    assert found == Enum.sort_by(found, &{DateTime.to_unix(&1.time), &1.id})
    # What was left out is behind the place, too.
    assert [after: Event.place(List.last(found))] |> History.stream() |> Enum.to_list() == []
  end

  test "options are checked" do
    assert_raise ArgumentError, ~r/expected :page to be a positive integer, got: 0/, fn ->
      History.stream(page: 0)
    end

    assert_raise ArgumentError, ~r/unknown keys \[:befor\]/, fn -> History.stream(befor: 1) end
  end

  describe "a cursor" do
    test "moves on, and never back" do
      assert Cursor.get("visits") == nil
      first = {@start, Ecto.UUID.generate()}
      {:ok, ^first} = Cursor.advance("visits", first)
      assert Cursor.get("visits") == first

      further = {DateTime.add(@start, 1, :microsecond), "00000000-0000-4000-8000-000000000000"}
      {:ok, _place} = Cursor.advance("visits", further)
      {:ok, _place} = Cursor.advance("visits", first)
      assert Cursor.get("visits") == further
      assert Cursor.get("another") == nil
    end

    test "moves on within one time, too" do
      [low, high] = Enum.sort([Ecto.UUID.generate(), Ecto.UUID.generate()])
      Cursor.advance("visits", {@start, low})
      Cursor.advance("visits", {@start, high})
      Cursor.advance("visits", {@start, low})
      assert Cursor.get("visits") == {@start, high}
    end
  end
end
