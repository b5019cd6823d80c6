defmodule Sekai.Streams.PipelineTest do
  use Sekai.DataCase, async: false

  import ExUnit.CaptureLog
  import Sekai.StreamFakes

  alias PortWorker.Error
  alias Sekai.Recommendations.Recommendation
  alias Sekai.Streams.{Crash, Cursor, Event, Pipeline}

  @start ~U[2026-01-01 00:00:00.000000Z]
  @item "88988968-6794-46df-add6-329e02f91800"

  setup do
    users = for _ <- 1..10, do: user()
    map = item()

    # Ten users in turn, three times.
    events =
      for n <- 0..29,
          do: interaction(Enum.at(users, rem(n, 10)), map, %{time: DateTime.add(@start, n, :second)})

    %{users: Enum.map(users, & &1.id), map: map, events: events}
  end

  defp call(answer \\ answer([{@item, 0.5}])), do: [call: fn _event, _timeout -> answer end]
  defp stored, do: Repo.all(from r in Recommendation, select: r.user_id)
  defp running, do: DynamicSupervisor.count_children(Sekai.Streams.Supervisor).active

  test "stores a row for each user who did something, and counts", %{users: users} do
    attach([:stop])

    assert Pipeline.run(filter: call()) ==
             {:ok, %{events: 30, recommended: 30, dropped: 0, passed: 0, rows: 10}}

    assert Enum.sort(stored()) == Enum.sort(users)
    assert running() == 0
    assert_received {:telemetry, :stop, %{events: 30, rows: 10, duration: _}, %{cursor: nil}}
  end

  test "calls once for what a user did within a page, if only the newest is wanted" do
    assert {:ok, %{events: 10, rows: 10}} = Pipeline.run(newest_only: true, filter: call())
  end

  test "of events that are given, in place of what is in the database", %{users: [user | _]} do
    events = [%Event{user_id: user}]
    assert {:ok, %{events: 1, rows: 1}} = Pipeline.run(events: events, filter: call())
  end

  test "counts what was dropped and what was passed on" do
    failing = fn answer ->
      failed = {:error, Error.new(:unknown_user, "no such user")}
      [call: fn event, _timeout -> if rem(DateTime.to_unix(event.time), 3) == 0, do: failed, else: answer end]
    end

    filter = failing.(answer([{@item, 0.5}]))
    assert {:ok, %{events: 30, recommended: 20, dropped: 10, passed: 0}} = Pipeline.run(filter: filter)
    filter = [on_error: :pass_through] ++ filter
    assert {:ok, %{events: 30, recommended: 20, dropped: 0, passed: 10}} = Pipeline.run(filter: filter)
  end

  describe "a cursor" do
    test "has the next run go on where this one ended", %{users: [user | _], map: map} do
      assert {:ok, %{events: 12}} = Pipeline.run(cursor: "c", limit: 12, filter: call())
      assert {:ok, %{events: 18}} = Pipeline.run(cursor: "c", filter: call())
      assert {:ok, %{events: 0, rows: 0}} = Pipeline.run(cursor: "c", filter: call())

      interaction(%{id: user}, map, %{time: DateTime.add(@start, 1, :hour)})
      assert {:ok, %{events: 1, rows: 1}} = Pipeline.run(cursor: "c", filter: call())
    end

    test "is where the last batch that was stored ended, when a run is broken off", %{events: events} do
      fifteenth = Enum.at(events, 14).id

      # Three batches of five are full when the eighteenth fails.
      failing = fn event, _timeout ->
        if DateTime.diff(event.time, @start) >= 17 do
          eventually(fn -> match?({_time, id} when id == fifteenth, Cursor.get("c")) end)
          {:error, Error.new(:invalid_argument, "no")}
        else
          answer([{@item, 0.5}])
        end
      end

      options = [
        cursor: "c",
        sink: [batch: 5, flush_after: 60_000],
        filter: [call: failing, max_failures: 2, max_in_flight: 1]
      ]

      capture_log(fn ->
        assert {:error, %Crash{reason: {:membrane_child_crash, :filter, _reason}} = crash} =
                 Pipeline.run(options)

        assert Exception.message(crash) =~ "too many failures, the last: no"
      end)

      assert {_time, ^fifteenth} = Cursor.get("c")
      assert running() == 0

      assert {:ok, %{events: 15, recommended: 15}} = Pipeline.run(cursor: "c", filter: call())
      assert length(stored()) == 10
    end

    test "wants the order to be kept" do
      assert_raise ArgumentError, ~r/expected :order to be :preserve/, fn ->
        Pipeline.run(cursor: "c", filter: [order: :as_done])
      end
    end
  end

  describe "the end" do
    test "of an element is the pipeline's, and that the answer" do
      capture_log(fn ->
        events = Stream.map([1], fn _n -> raise "the source broke" end)
        assert {:error, %Crash{} = crash} = Pipeline.run(events: events, filter: call())
        assert Exception.message(crash) =~ "the source broke"
      end)

      assert running() == 0
    end

    test "of whoever runs it is the pipeline's and that of its calls" do
      attach([:page])
      options = [filter: [call: asking(), timeout: 60_000, max_in_flight: 30]]
      runner = spawn(fn -> Pipeline.run(options) end)
      assert_receive {:call, _user, call}, 2_000
      # Nothing is asked of the database any more: all is read.
      for read <- [30, 0], do: assert_receive({:telemetry, :page, %{read: ^read}, _about}, 2_000)
      assert running() == 1
      monitor = Process.monitor(call)

      Process.exit(runner, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^call, _reason}, 2_000
      eventually(fn -> running() == 0 end)
    end
  end

  test "options that are unknown are named" do
    assert_raise ArgumentError, ~r/unknown keys \[:limits\]/, fn -> Pipeline.run(limits: 1) end
    assert_raise KeyError, ~r/max_inflight/, fn -> Pipeline.run(filter: [max_inflight: 1]) end
  end
end
