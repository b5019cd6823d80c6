defmodule Sekai.Streams.LiveSource do
  @moduledoc """
  Sends events as `Sekai.Streams.publish/2` has them, on any node, and never ends by itself.

  Whoever publishes does not wait, so what is not demanded yet waits here: at most `:max_queue` events, of which the
  oldest make room for what is new. For it is the newest after which a recommendation is wanted, and who needs them all
  reads `Sekai.Streams.History`. What was lost is in the telemetry.

  It ends when its parent tells it `:end_of_stream`: what waits is sent as it is demanded, and then the end.
  """

  use Membrane.Source

  alias Membrane.Buffer
  alias Sekai.Streams
  alias Sekai.Streams.{Event, Events, Options}

  def_output_pad(:output, accepted_format: %Events{of: Event}, flow_control: :manual)

  def_options(
    topic: [
      spec: String.t(),
      default: "sekai:stream:events",
      inspector: &inspect/1,
      description: "That of `Sekai.Streams.publish/2`."
    ],
    max_queue: [
      spec: pos_integer(),
      default: 1_000,
      description: "How many events wait at most."
    ]
  )

  @impl true
  def handle_init(_ctx, %{topic: topic, max_queue: max_queue}) do
    Options.check!(:topic, topic, :name)
    Options.check!(:max_queue, max_queue, :positive)

    # Whoever starts the pipeline waits for this, and may publish at once.
    :ok = Phoenix.PubSub.subscribe(Sekai.PubSub, topic)
    {[], %{max_queue: max_queue, queue: :queue.new(), size: 0, demand: 0, count: 0, ended?: false}}
  end

  @impl true
  def handle_playing(_ctx, state), do: {[stream_format: {:output, %Events{of: Event}}], state}

  @impl true
  def handle_demand(:output, demand, :buffers, ctx, state), do: supply(ctx, %{state | demand: demand})

  @impl true
  def handle_info({:stream_events, _events}, _ctx, %{ended?: true} = state), do: {[], state}

  def handle_info({:stream_events, events}, ctx, state) do
    queue = Enum.reduce(events, state.queue, &:queue.in/2)
    {actions, state} = supply(ctx, %{state | queue: queue, size: state.size + length(events)})
    {actions, make_room(state, ctx)}
  end

  defp make_room(%{size: size, max_queue: most} = state, ctx) when size > most do
    Streams.execute(:overflow, %{dropped: size - most}, %{element: ctx.name})
    {_oldest, queue} = :queue.split(size - most, state.queue)
    %{state | queue: queue, size: most}
  end

  defp make_room(state, _ctx), do: state

  @impl true
  def handle_parent_notification(:end_of_stream, _ctx, %{ended?: true} = state), do: {[], state}
  def handle_parent_notification(:end_of_stream, ctx, state), do: supply(ctx, %{state | ended?: true})

  # What comes before the pipeline plays waits for the first demand.
  defp supply(%{playback: playback}, state) when playback != :playing, do: {[], state}

  defp supply(_ctx, state) do
    {supplied, queue} = :queue.split(min(max(state.demand, 0), state.size), state.queue)
    buffers = for event <- :queue.to_list(supplied), do: %Buffer{payload: event}
    sent = length(buffers)

    state = %{
      state
      | queue: queue,
        size: state.size - sent,
        demand: state.demand - sent,
        count: state.count + sent
    }

    {[buffer: {:output, buffers}] ++ ended(state), state}
  end

  defp ended(%{ended?: true, size: 0, count: count}),
    do: [notify_parent: {:counts, %{events: count}}, end_of_stream: :output]

  defp ended(_state), do: []
end
