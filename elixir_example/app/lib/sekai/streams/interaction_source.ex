defmodule Sekai.Streams.InteractionSource do
  @moduledoc """
  Sends what is in an enumerable of `Sekai.Streams.Event`, and then the end of the stream.

      child(:source, %Sekai.Streams.InteractionSource{events: Sekai.Streams.History.stream(since: since)})

  It takes from the enumerable what is demanded and no more, so a lazy one is read as far as the stream goes. What takes
  its time there holds up this element alone; an enumerable that waits for events would keep it from ending, so those
  are for `Sekai.Streams.LiveSource`.

  Before the end of the stream the parent is notified with `{:counts, %{events: _}}`.
  """

  use Membrane.Source

  alias Membrane.Buffer
  alias Sekai.Streams.{Event, Events, Options}

  def_output_pad(:output, accepted_format: %Events{of: Event}, flow_control: :manual)

  def_options(
    events: [
      spec: Enumerable.t(Event.t()),
      description: "What is sent."
    ]
  )

  @impl true
  def handle_init(_ctx, %{events: events}) do
    Options.check!(:events, events, :enumerable)
    {[], %{next: suspended(events), count: 0}}
  end

  # A reduction that stands still after each demand, and goes on with the next.
  defp suspended(events) do
    fn command -> Enumerable.reduce(events, command, &take/2) end
  end

  defp take(event, {1, taken}), do: {:suspend, {0, [event | taken]}}
  defp take(event, {left, taken}), do: {:cont, {left - 1, [event | taken]}}

  @impl true
  def handle_playing(_ctx, state), do: {[stream_format: {:output, %Events{of: Event}}], state}

  @impl true
  def handle_demand(:output, demand, :buffers, _ctx, state) do
    case state.next.({:cont, {demand, []}}) do
      {:suspended, {0, taken}, next} -> buffers(taken, %{state | next: next})
      {over, {_left, taken}} when over in [:done, :halted] -> taken |> buffers(%{state | next: nil}) |> ended()
    end
  end

  defp buffers(taken, state) do
    buffers = Enum.reduce(taken, [], &[%Buffer{payload: &1} | &2])
    {[buffer: {:output, buffers}], %{state | count: state.count + length(buffers)}}
  end

  defp ended({actions, %{count: count} = state}),
    do: {actions ++ [notify_parent: {:counts, %{events: count}}, end_of_stream: :output], state}

  @impl true
  def handle_terminate_request(_ctx, state) do
    # So that an enumerable that holds something open lets go of it.
    if state.next, do: state.next.({:halt, {0, []}})
    {[terminate: :normal], %{state | next: nil}}
  end
end
