defmodule Sekai.Streams.RecommendFilterTest do
  use ExUnit.Case, async: true

  import ExUnit.CaptureLog
  import Membrane.ChildrenSpec
  import Membrane.Testing.Assertions
  import Sekai.Eventually
  import Sekai.StreamFakes

  alias Membrane.Buffer
  alias Membrane.Testing
  alias PortWorker.Error
  alias Sekai.Streams.{Event, InteractionSource, Recommended, RecommendFilter}

  defp start(events, filter, sink \\ Testing.Sink, queue \\ nil) do
    Testing.Pipeline.start_link_supervised!(
      spec:
        child(:source, %InteractionSource{events: events})
        |> via_in(:input, target_queue_size: queue)
        |> child(:filter, filter)
        |> via_in(:input, target_queue_size: queue)
        |> child(:sink, sink)
    )
  end

  defp sent(pipeline, count) do
    for _ <- 1..count//1 do
      assert_sink_buffer(pipeline, :sink, %Buffer{payload: payload}, 5_000)
      payload
    end
  end

  defp users(recommended), do: Enum.map(recommended, &String.to_integer(&1.event.user_id))

  describe "flow" do
    test "no more calls than max_in_flight are under way, and one that is over makes room for one" do
      pulled = :counters.new(1, [])
      pipeline = start(events(100, pulled), %RecommendFilter{call: asking(), max_in_flight: 3}, Testing.Sink, 4)

      for user <- ~w(1 2 3), do: assert_receive({:call, ^user, _pid}, 2_000)
      refute_receive {:call, _user, _pid}, 100
      # What is within the filter, and what its input queue asks for: its size, and half of it again.
      assert :counters.get(pulled, 1) <= 3 + 4 + 2

      Testing.Pipeline.terminate(pipeline)
    end

    test "each call that is over makes room for one" do
      pipeline = start(events(100), %RecommendFilter{call: asking(), max_in_flight: 2, timeout: 10_000})
      assert_receive {:call, "1", first}, 2_000
      assert_receive {:call, "2", second}, 2_000

      Enum.reduce(3..10, [first, second], fn next, [oldest, other] ->
        refute_receive {:call, _user, _pid}, 10
        send(oldest, {:reply, answer()})
        next = "#{next}"
        assert_receive {:call, ^next, pid}, 2_000
        [other, pid]
      end)

      Testing.Pipeline.terminate(pipeline)
    end

    test "what is done and waits for its turn takes room, too" do
      pipeline = start(events(100), %RecommendFilter{call: asking(), max_in_flight: 3, timeout: 10_000})
      for user <- ~w(2 3), do: reply(user)
      assert_receive {:call, "1", first}, 2_000
      refute_receive {:call, _user, _pid}, 50
      send(first, {:reply, answer()})
      for user <- ~w(4 5 6), do: assert_receive({:call, ^user, _pid}, 2_000)
      Testing.Pipeline.terminate(pipeline)
    end

    test "with calls that take their time, never more than max_in_flight are under way, and all of that is used" do
      gauge = gauge()
      pipeline = start(events(300), %RecommendFilter{call: busy(gauge, 5), max_in_flight: 7})
      assert pipeline |> sent(300) |> users() == Enum.to_list(1..300)
      assert most(gauge) == 7
      assert_end_of_stream(pipeline, :sink)
    end

    test "what is not demanded is not sent, and the filter takes no more than it has room for" do
      pulled = :counters.new(1, [])
      called = :counters.new(1, [])

      call = fn _event, _timeout ->
        :counters.add(called, 1, 1)
        answer()
      end

      filter = %RecommendFilter{call: call, max_in_flight: 5}
      pipeline = start(events(1_000, pulled), filter, %Testing.Sink{autodemand: false}, 4)

      # Without a demand of the sink, its input queue has its own: 4, and half of it again at most.
      eventually(fn -> :counters.get(called, 1) >= 5 + 4 end)
      refute_sink_buffer(pipeline, :sink, _buffer, 100)
      assert :counters.get(called, 1) <= 5 + 4 + 2
      assert :counters.get(pulled, 1) <= 5 + 2 * (4 + 2)

      Testing.Pipeline.notify_child(pipeline, :sink, {:make_demand, 50})
      assert pipeline |> sent(50) |> users() == Enum.to_list(1..50)
      refute_sink_buffer(pipeline, :sink, _buffer, 100)
      assert :counters.get(called, 1) <= 50 + 5 + 4 + 2
      Testing.Pipeline.terminate(pipeline)
    end
  end

  describe "order" do
    test "is kept by default: a slow call holds back those after it" do
      pipeline = start(events(3), %RecommendFilter{call: asking()})
      for user <- ~w(3 2), do: reply(user)
      refute_sink_buffer(pipeline, :sink, _buffer, 100)
      reply("1")
      assert pipeline |> sent(3) |> users() == [1, 2, 3]
    end

    test "as_done sends what is done" do
      pipeline = start(events(3), %RecommendFilter{call: asking(), order: :as_done})

      for user <- ~w(3 1 2) do
        reply(user)
        assert_sink_buffer(pipeline, :sink, %Buffer{payload: %{event: %{user_id: ^user}}})
      end
    end

    test "timestamps and metadata of buffers are kept" do
      buffer = %Buffer{payload: %Event{user_id: "1"}, pts: 7, metadata: %{room: "lobby"}}
      format = %Sekai.Streams.Events{of: Event}

      pipeline =
        Testing.Pipeline.start_link_supervised!(
          spec:
            child(:source, %Testing.Source{output: [buffer], stream_format: format})
            |> child(:filter, %RecommendFilter{call: fn _event, _timeout -> answer() end})
            |> child(:sink, Testing.Sink)
        )

      assert_sink_stream_format(pipeline, :sink, %Sekai.Streams.Events{of: Recommended})
      assert_sink_buffer(pipeline, :sink, %Buffer{pts: 7, metadata: %{room: "lobby"}, payload: payload})
      assert %Recommended{items: [{"item", 1.0}], source: :model, model: "v1", error: nil} = payload
    end
  end

  describe "failure" do
    @failed Error.new(:invalid_argument, "a user is no list")

    setup do: attach([:call])

    test "is dropped by default, the parent is told, and those after it go on" do
      call = fn event, _timeout ->
        if event.user_id == "2", do: {:error, @failed}, else: answer()
      end

      pipeline = start(events(3), %RecommendFilter{call: call})
      assert pipeline |> sent(2) |> users() == [1, 3]

      assert_pipeline_notified(
        pipeline,
        :filter,
        {:dropped, %Event{user_id: "2"}, %Error{code: :invalid_argument}}
      )

      assert_pipeline_notified(pipeline, :filter, {:counts, %{recommended: 2, dropped: 1, passed: 0}})
      assert_end_of_stream(pipeline, :sink)

      assert_received {:telemetry, :call, %{duration: duration, in_flight: in_flight},
                       %{element: :filter, event: %{user_id: "2"}, result: :dropped, error: %Error{}}}

      assert duration > 0 and in_flight in 1..3

      assert_received {:telemetry, :call, _measured,
                       %{event: %{user_id: "1"}, result: :recommended, error: nil}}
    end

    test "passes through where that is wanted, and says so" do
      call = fn _event, _timeout -> {:error, @failed} end
      pipeline = start(events(2), %RecommendFilter{call: call, on_error: :pass_through})
      assert [%{items: [], error: %Error{code: :invalid_argument}}, _second] = sent(pipeline, 2)
      assert_pipeline_notified(pipeline, :filter, {:counts, %{recommended: 0, dropped: 0, passed: 2}})
      assert_receive {:telemetry, :call, _measured, %{result: :passed, error: %Error{}}}
    end

    test "of one call is the end of that call only, whatever it was" do
      call = fn event, _timeout ->
        case event.user_id do
          "1" -> raise "boom"
          "2" -> exit(:gone)
          "3" -> Process.exit(self(), :kill)
          "4" -> :no_such_answer
          _other -> answer()
        end
      end

      log =
        capture_log(fn ->
          pipeline = start(events(5), %RecommendFilter{call: call, on_error: :pass_through})
          recommended = sent(pipeline, 5)
          assert users(recommended) == [1, 2, 3, 4, 5]
          assert [raised, exited, killed, wrong, nil] = Enum.map(recommended, & &1.error)
          assert Exception.message(raised) =~ "boom"
          assert Exception.message(exited) =~ ":gone"
          assert Exception.message(killed) =~ "killed"
          assert Exception.message(wrong) =~ ":no_such_answer"
        end)

      assert log =~ "boom"
    end

    test "is tried again while there is time, as when a worker boots" do
      tries = :counters.new(1, [])

      call = fn _event, _timeout ->
        :counters.add(tries, 1, 1)
        if :counters.get(tries, 1) < 4, do: {:error, Error.new(:worker_down, "it boots")}, else: answer()
      end

      pipeline = start(events(1), %RecommendFilter{call: call, timeout: 2_000})
      assert [%{items: [_item]}] = sent(pipeline, 1)
      assert :counters.get(tries, 1) == 4
    end

    test "is final when the time is over, and the call is told how much is left" do
      test = self()

      call = fn _event, timeout ->
        send(test, {:left, timeout})
        {:error, Error.new(:overloaded, "64 calls are in flight")}
      end

      start = System.monotonic_time(:millisecond)
      pipeline = start(events(1), %RecommendFilter{call: call, timeout: 150, on_error: :pass_through})
      assert [%{error: %Error{code: :overloaded}}] = sent(pipeline, 1)
      assert System.monotonic_time(:millisecond) - start < 1_000
      assert_received {:left, first}
      assert_received {:left, second}
      assert first <= 150 and second < first
    end

    test "nothing runs as :none" do
      pipeline = start(events(1), %RecommendFilter{timeout: 500, on_error: :pass_through})
      assert [%{error: %Error{code: :worker_down}}] = sent(pipeline, 1)
    end

    test "a call that is not over in time is killed" do
      pipeline = start(events(2), %RecommendFilter{call: asking(), timeout: 60})
      assert_receive {:call, "1", pid}, 2_000
      monitor = Process.monitor(pid)
      reply("2")
      assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}, 1_000
      assert pipeline |> sent(1) |> users() == [2]

      assert_pipeline_notified(
        pipeline,
        :filter,
        {:dropped, %Event{user_id: "1"}, %Error{code: :deadline_exceeded}}
      )
    end

    test "ends the element after max_failures in a row, and not before" do
      failing = MapSet.new([1, 2, 4, 5, 6])

      call = fn event, _timeout ->
        if String.to_integer(event.user_id) in failing,
          do: {:error, RuntimeError.exception("no")},
          else: answer()
      end

      filter = %RecommendFilter{call: call, max_failures: 3, max_in_flight: 1}

      spec =
        child(:source, %InteractionSource{events: events(9)})
        |> child(:filter, filter)
        |> child(:sink, Testing.Sink)

      {pipeline, log} =
        with_log(fn ->
          {:ok, supervisor, pipeline} = Testing.Pipeline.start(spec: spec)
          monitor = Process.monitor(supervisor)
          assert_receive {:DOWN, ^monitor, :process, ^supervisor, reason}, 5_000

          assert {:membrane_child_crash, :filter, {:shutdown, {:failing, %RuntimeError{message: "no"}}}} =
                   reason

          pipeline
        end)

      assert log =~ "failing"
      assert_pipeline_notified(pipeline, :filter, {:dropped, %Event{user_id: "5"}, _error})
      refute_pipeline_notified(pipeline, :filter, {:dropped, %Event{user_id: "6"}, _error}, 0)
    end
  end

  describe "the end" do
    test "of the stream comes after all that is in flight" do
      pipeline = start(events(3), %RecommendFilter{call: asking(), order: :as_done})
      for user <- ~w(1 2), do: reply(user)
      sent(pipeline, 2)
      refute_sink_buffer(pipeline, :sink, _buffer, 100)
      refute_received {Testing.Pipeline, ^pipeline, {:handle_element_end_of_stream, {:sink, :input}}}
      reply("3")
      sent(pipeline, 1)
      assert_end_of_stream(pipeline, :sink)
    end

    test "of a stream with nothing in it" do
      pipeline = start([], %RecommendFilter{call: asking()})
      assert_end_of_stream(pipeline, :sink)
      assert_pipeline_notified(pipeline, :filter, {:counts, %{recommended: 0, dropped: 0, passed: 0}})
    end

    test "of the pipeline is that of its calls" do
      pipeline = start(events(3), %RecommendFilter{call: asking()})
      pids = for user <- ~w(1 2 3), do: assert_receive({:call, ^user, _pid}, 2_000) |> elem(2)
      monitors = Enum.map(pids, &Process.monitor/1)
      Testing.Pipeline.terminate(pipeline)
      for monitor <- monitors, do: assert_receive({:DOWN, ^monitor, :process, _pid, _reason}, 1_000)
    end

    test "of the filter in a crash group leaves the rest of a pipeline as it is" do
      filter = %RecommendFilter{
        call: fn _event, _timeout -> {:error, RuntimeError.exception("no")} end,
        max_failures: 1
      }

      pipeline =
        Testing.Pipeline.start_link_supervised!(
          spec: [
            child(:source, %InteractionSource{events: events(500)})
            |> child(:tee, Membrane.Tee)
            |> child(:media, Testing.Sink),
            {get_child(:tee)
             |> via_out(:push_output)
             |> via_in(:input, toilet_capacity: 1_000)
             |> child(:filter, filter)
             |> child(:shown, Testing.Sink), group: :recommendations, crash_group_mode: :temporary}
          ]
        )

      assert_pipeline_crash_group_down(pipeline, :recommendations)
      for _ <- 1..500, do: assert_sink_buffer(pipeline, :media, %Buffer{payload: %Event{}})
      assert_end_of_stream(pipeline, :media)
    end
  end

  describe "options" do
    for {option, value, expected} <- [
          {:max_in_flight, 0, "a positive integer"},
          {:timeout, :infinity, "a positive integer"},
          {:order, :any, ":preserve or :as_done"},
          {:on_error, :raise, ":drop or :pass_through"},
          {:max_failures, 0, "a positive integer or :infinity"},
          {:call, &String.length/1, "a function of 2 arguments"},
          {:recommend, %{n: 3}, "a keyword list"}
        ] do
      test "#{option} is checked at the start" do
        filter = struct!(RecommendFilter, [{unquote(option), unquote(Macro.escape(value))}])

        log =
          capture_log(fn ->
            spec =
              child(:source, %InteractionSource{events: []})
              |> child(:filter, filter)
              |> child(:sink, Testing.Sink)

            assert {:error, _reason} = Testing.Pipeline.start(spec: spec)
          end)

        assert log =~ "expected :#{unquote(option)} to be #{unquote(expected)}, got: "
      end
    end
  end
end
