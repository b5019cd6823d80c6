defmodule Sekai.Streams.RecommendationSinkTest do
  use Sekai.DataCase, async: false

  import Membrane.ChildrenSpec
  import Membrane.Testing.Assertions
  import Sekai.StreamFakes, only: [attach: 1]

  alias Membrane.Buffer
  alias Membrane.Testing
  alias Sekai.Recommendations.Recommendation
  alias Sekai.Streams.{Cursor, Event, Events, Recommended, RecommendationSink}

  @start ~U[2026-01-01 00:00:00.000000Z]

  setup do
    attach([:stored])
  end

  defp start(recommended, sink, ends? \\ true) do
    buffers = Enum.map(recommended, &%Buffer{payload: &1})
    actions = [buffer: {:output, buffers}] ++ if(ends?, do: [end_of_stream: :output], else: [])
    # All of it at the first demand: this is about what the sink does with it.
    output =
      {:once,
       fn
         :once, _size -> {actions, :over}
         :over, _size -> {[], :over}
       end}

    source = %Testing.Source{output: output, stream_format: %Events{of: Recommended}}
    Testing.Pipeline.start_link_supervised!(spec: child(:source, source) |> child(:sink, sink))
  end

  defp recommended(user, item, seconds, more \\ []) do
    event = %Event{user_id: user, id: Ecto.UUID.generate(), time: DateTime.add(@start, seconds, :second)}
    struct!(%Recommended{event: event, items: [{item, 0.5}], source: :fold_in, model: "v1"}, more)
  end

  defp items(user), do: Repo.get!(Recommendation, user).item_ids

  test "stores batches, and the rest at the end" do
    users = for _ <- 1..5, do: user().id
    item = Ecto.UUID.generate()

    pipeline =
      start(Enum.map(users, &recommended(&1, item, 1)), %RecommendationSink{batch: 2, flush_after: 60_000})

    assert_pipeline_notified(pipeline, :sink, {:counts, %{rows: 5}})

    for rows <- [2, 2, 1],
        do: assert_receive({:telemetry, :stored, %{rows: ^rows, events: ^rows}, %{element: :sink}})

    for user <- users do
      assert %{item_ids: [^item], scores: [0.5], source: "fold_in", model_version: "v1"} =
               Repo.get(Recommendation, user)
    end
  end

  test "the newest event of a user in a batch wins, wherever it is" do
    [ada, bob] = [user().id, user().id]
    [old, new] = [Ecto.UUID.generate(), Ecto.UUID.generate()]

    list = [
      recommended(ada, new, 9),
      recommended(bob, old, 1),
      recommended(ada, old, 2),
      recommended(bob, new, 3)
    ]

    pipeline = start(list, %RecommendationSink{})
    assert_pipeline_notified(pipeline, :sink, {:counts, %{rows: 2}})
    assert items(ada) == [new]
    assert items(bob) == [new]
  end

  test "what has come is stored after a time, though no more comes" do
    user = user().id
    start([recommended(user, Ecto.UUID.generate(), 1)], %RecommendationSink{flush_after: 30}, false)
    assert_receive {:telemetry, :stored, %{rows: 1}, _about}, 2_000
    assert %Recommendation{} = Repo.get(Recommendation, user)
  end

  test "events without recommendations and users who are no more leave no row" do
    user = user().id
    error = RuntimeError.exception("no")
    gone = Ecto.UUID.generate()
    list = [recommended(user, nil, 1, items: [], error: error), recommended(gone, Ecto.UUID.generate(), 2)]
    pipeline = start(list, %RecommendationSink{})
    assert_pipeline_notified(pipeline, :sink, {:counts, %{rows: 0}})
    assert_receive {:telemetry, :stored, %{rows: 0, events: 2}, _about}
    assert Repo.all(Recommendation) == []
  end

  test "the cursor moves on with what is stored, also where that left no row" do
    user = user().id
    list = for seconds <- 1..3, do: recommended(user, Ecto.UUID.generate(), seconds)

    pipeline =
      start(list ++ [recommended(user, nil, 4, error: RuntimeError.exception("no"))], %RecommendationSink{
        cursor: "c"
      })

    assert_pipeline_notified(pipeline, :sink, {:counts, %{rows: 1}})
    assert {time, _id} = Cursor.get("c")
    assert DateTime.diff(time, @start) == 4
  end

  test "what is done twice is there once" do
    user = user().id
    list = [recommended(user, Ecto.UUID.generate(), 1)]

    for _ <- 1..2 do
      pipeline = start(list, %RecommendationSink{cursor: "c"})
      assert_pipeline_notified(pipeline, :sink, {:counts, %{rows: 1}})
    end

    assert Repo.aggregate(Recommendation, :count) == 1
  end
end
