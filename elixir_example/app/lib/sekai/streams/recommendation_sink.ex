defmodule Sekai.Streams.RecommendationSink do
  @moduledoc """
  Stores recommendations in batches: when `:batch` events have come, every `:flush_after` milliseconds, and at the end of
  the stream.

  Of the events of one user in a batch the newest wins: there is one row a user. Events that come without
  recommendations, and those of users who are no more, are counted and leave no row. While a batch is written, nothing
  is taken in, so a slow database slows the stream.

  With `:cursor`, `Sekai.Streams.Cursor` of that name moves on in the same transaction as the rows are written. That
  wants events in the order of `Sekai.Streams.History`, as `order: :preserve` of `Sekai.Streams.RecommendFilter` keeps
  it. Doing it all again leaves the same.

  At the end of the stream the parent is notified with `{:counts, %{rows: _}}`.
  """

  use Membrane.Sink

  import Ecto.Query

  alias Sekai.Accounts.User
  alias Sekai.{Recommendations, Repo, Streams, Transaction}
  alias Sekai.Streams.{Cursor, Event, Events, Options, Recommended}

  def_input_pad(:input, accepted_format: %Events{of: Recommended}, flow_control: :auto)

  def_options(
    batch: [
      spec: pos_integer(),
      default: 200,
      description: "How many events are stored together, at most."
    ],
    flush_after: [
      spec: pos_integer(),
      default: 1_000,
      description: "Milliseconds after which what has come is stored."
    ],
    cursor: [
      spec: String.t() | nil,
      default: nil,
      description: "The name of the cursor that moves on, if any."
    ]
  )

  @impl true
  def handle_init(_ctx, options) do
    Options.check!(:batch, options.batch, :positive)
    Options.check!(:flush_after, options.flush_after, :positive)
    Options.check!(:cursor, options.cursor, :name)
    {[], Map.merge(Map.from_struct(options), %{newest: %{}, events: 0, place: nil, rows: 0})}
  end

  @impl true
  def handle_playing(_ctx, state),
    do: {[start_timer: {:flush, Membrane.Time.milliseconds(state.flush_after)}], state}

  @impl true
  def handle_buffer(:input, %{payload: %Recommended{} = recommended}, ctx, state) do
    state = add(recommended, state)
    {[], if(state.events >= state.batch, do: flush(ctx, state), else: state)}
  end

  @impl true
  def handle_tick(:flush, ctx, state), do: {[], flush(ctx, state)}

  @impl true
  def handle_end_of_stream(:input, ctx, state) do
    state = flush(ctx, state)
    {[stop_timer: :flush, notify_parent: {:counts, %{rows: state.rows}}], state}
  end

  defp add(%{event: event} = recommended, state) do
    state = %{state | events: state.events + 1, place: Event.place(event) || state.place}
    if recommended.error, do: state, else: %{state | newest: newest(state.newest, recommended)}
  end

  defp newest(newest, %{event: %{user_id: user} = event} = recommended) do
    Map.update(newest, user, recommended, &if(Event.newer?(event, &1.event), do: recommended, else: &1))
  end

  defp flush(_ctx, %{events: 0} = state), do: state

  defp flush(ctx, state) do
    start = System.monotonic_time()
    {:ok, rows} = Transaction.run(fn -> write(state) end, name: :store_stream)
    measured = %{duration: Streams.since(start), events: state.events, rows: rows}
    Streams.execute(:stored, measured, %{element: ctx.name, cursor: state.cursor})
    %{state | newest: %{}, events: 0, rows: state.rows + rows}
  end

  defp write(%{newest: newest, cursor: cursor, place: place}) do
    if cursor && place, do: Cursor.advance(cursor, place)
    users = Map.keys(newest)

    case Repo.all(from user in User, where: user.id in ^users, select: user.id) do
      [] -> {:ok, 0}
      there -> there |> Enum.map(&row(newest[&1])) |> Recommendations.store()
    end
  end

  defp row(%Recommended{event: event, items: items} = recommended) do
    {item_ids, scores} = Enum.unzip(items)

    %{
      user_id: event.user_id,
      item_ids: item_ids,
      scores: scores,
      source: to_string(recommended.source),
      model_version: recommended.model
    }
  end
end
