defmodule Sekai.Streams.InteractionSourceTest do
  use ExUnit.Case, async: true

  import ExUnit.CaptureLog
  import Membrane.ChildrenSpec
  import Membrane.Testing.Assertions
  import Sekai.Eventually
  import Sekai.StreamFakes

  alias Membrane.Buffer
  alias Membrane.Testing
  alias Sekai.Streams
  alias Sekai.Streams.{Event, Events, InteractionSource, LiveSource}

  # A sink whose input queue has room for four, and for two more.
  @asked 4 + 2

  defp start(source, sink \\ Testing.Sink) do
    Testing.Pipeline.start_link_supervised!(
      spec: child(:source, source) |> via_in(:input, target_queue_size: 4) |> child(:sink, sink)
    )
  end

  defp demand(pipeline, count), do: Testing.Pipeline.notify_child(pipeline, :sink, {:make_demand, count})

  # A sink that does not play yet can't demand anything.
  defp playing(pipeline) do
    assert_sink_playing(pipeline, :sink, 10_000)
    pipeline
  end

  defp sent(pipeline, users) do
    for user <- users, do: assert_sink_buffer(pipeline, :sink, %Buffer{payload: %Event{user_id: ^user}})
  end

  describe "an enumerable" do
    test "is sent in its order, with its format before and its end after it" do
      pipeline = start(%InteractionSource{events: events(250)})
      assert_sink_stream_format(pipeline, :sink, %Events{of: Event})
      sent(pipeline, Enum.map(1..250, &"#{&1}"))
      assert_end_of_stream(pipeline, :sink)
      assert_pipeline_notified(pipeline, :source, {:counts, %{events: 250}})
    end

    test "is read as far as it is demanded" do
      pulled = :counters.new(1, [])
      pipeline = start(%InteractionSource{events: events(1_000, pulled)}, %Testing.Sink{autodemand: false})
      eventually(fn -> :counters.get(pulled, 1) >= 4 end)
      refute_sink_buffer(pipeline, :sink, _buffer, 50)
      assert :counters.get(pulled, 1) <= @asked

      demand(pipeline, 10)
      sent(pipeline, Enum.map(1..10, &"#{&1}"))
      refute_sink_buffer(pipeline, :sink, _buffer, 50)
      assert :counters.get(pulled, 1) <= 10 + @asked
    end

    test "that holds something open lets go of it when the pipeline ends early" do
      test = self()

      events =
        Stream.resource(fn -> 1 end, &{[%Event{user_id: "#{&1}"}], &1 + 1}, fn _n -> send(test, :closed) end)

      pipeline = playing(start(%InteractionSource{events: events}, %Testing.Sink{autodemand: false}))
      demand(pipeline, 1)
      sent(pipeline, ["1"])
      Testing.Pipeline.terminate(pipeline)
      assert_receive :closed, 2_000
    end

    test "is checked at the start" do
      log =
        capture_log(fn ->
          spec = child(:source, %InteractionSource{events: 7}) |> child(:sink, Testing.Sink)
          assert {:error, _reason} = Testing.Pipeline.start(spec: spec)
        end)

      assert log =~ "expected :events to be an enumerable of Sekai.Streams.Event, got: 7"
    end
  end

  describe "live events" do
    setup do: attach([:overflow])

    # What was published before it has subscribed is not for it.
    defp live(options, sink \\ Testing.Sink) do
      topic = "test:#{System.unique_integer([:positive])}"
      pipeline = start(struct!(LiveSource, [topic: topic] ++ options), sink)
      assert_child_setup_completed(pipeline, :source)
      {pipeline, topic}
    end

    defp publish(topic, users), do: Streams.publish(Enum.map(users, &%Event{user_id: "#{&1}"}), topic)

    test "are sent as they are published, until the parent says that it is the end" do
      {pipeline, topic} = live([])
      publish(topic, [1, 2])
      sent(pipeline, ~w(1 2))
      publish(topic, [3])
      sent(pipeline, ~w(3))
      Testing.Pipeline.notify_child(pipeline, :source, :end_of_stream)
      Testing.Pipeline.notify_child(pipeline, :source, :end_of_stream)
      assert_end_of_stream(pipeline, :sink)
      assert_pipeline_notified(pipeline, :source, {:counts, %{events: 3}})
    end

    test "that are not demanded wait, the oldest make room for the newest, and the end is after the last" do
      {pipeline, topic} = live([max_queue: 5], %Testing.Sink{autodemand: false})
      assert_sink_stream_format(pipeline, :sink, %Events{of: Event})
      publish(topic, 1..100)
      # The sink's input queue has asked for four.
      assert_receive {:telemetry, :overflow, %{dropped: 91}, %{element: :source}}, 2_000
      Testing.Pipeline.notify_child(pipeline, :source, :end_of_stream)
      demand(pipeline, 100)
      assert_end_of_stream(pipeline, :sink)
      sent(pipeline, ~w(1 2 3 4 96 97 98 99 100))
      refute_sink_buffer(pipeline, :sink, _buffer, 0)
    end
  end
end
