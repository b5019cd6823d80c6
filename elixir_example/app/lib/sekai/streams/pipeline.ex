defmodule Sekai.Streams.Pipeline do
  @moduledoc """
  From interactions to stored recommendations: `Sekai.Streams.InteractionSource`, `Sekai.Streams.RecommendFilter`,
  `Sekai.Streams.RecommendationSink`.

      {:ok, %{events: 120, recommended: 118, dropped: 2, passed: 0, rows: 97}} =
        Sekai.Streams.Pipeline.run(cursor: "interactions")

  A run with a cursor goes on where the last one with it ended, however that was: the cursor moves with each batch that
  is stored. What follows the last event that was stored is processed again, and leaves the same.

  The three elements are no crash groups: they carry one stream, and none of them can go on for another. Any crash is
  the pipeline's, and the pipeline is temporary under `Sekai.Streams.Supervisor`: who ran it has the error, and runs it
  again. It ends when the process that runs it does, and so do its calls.
  """

  use Membrane.Pipeline

  alias Sekai.{Interactions, Models, Recommender, Streams}
  alias Sekai.Streams.{Crash, Cursor, History, InteractionSource, RecommendationSink, RecommendFilter}

  @typedoc """
  `events` went into the stream, of which `recommended` got recommendations, `dropped` and `passed` did not
  (`Sekai.Streams.RecommendFilter`), and `rows` were written.
  """
  @type counts :: %{
          events: non_neg_integer(),
          recommended: non_neg_integer(),
          dropped: non_neg_integer(),
          passed: non_neg_integer(),
          rows: non_neg_integer()
        }

  # A worker that has to be started anew is back within that.
  @filter [timeout: 5_000, max_failures: 100]
  @reports 3

  @doc """
  Runs a pipeline to the end of its stream.

    * `:cursor` - a name: it begins where `Sekai.Streams.Cursor` is, and moves that on
    * `:since`, `:until`, `:limit`, `:page`, `:newest_only` - as of `Sekai.Streams.History.stream/1`
    * `:events` - an enumerable of `Sekai.Streams.Event` in place of the interactions in the database
    * `:n` - how many items each user gets (20)
    * `:filter` - further options of `Sekai.Streams.RecommendFilter`. By default `timeout: 5_000` and
      `max_failures: 100`
    * `:sink` - further options of `Sekai.Streams.RecommendationSink`

  `config :sekai, Sekai.Streams.Pipeline, filter: [...]` has other defaults for the filter.

  Whoever did something that is newer than the model's data gets what suits what they did last.
  """
  @spec run(keyword()) :: {:ok, counts()} | {:error, Crash.t()}
  def run(options) do
    start = System.monotonic_time()

    with {:ok, counts} <- options |> children() |> start() |> await() do
      Streams.execute(:stop, Map.put(counts, :duration, Streams.since(start)), %{cursor: options[:cursor]})
      {:ok, counts}
    end
  end

  defp children(options) do
    {given, history} = Keyword.split(options, [:cursor, :events, :n, :filter, :sink])
    cursor = given[:cursor]
    place = cursor && Cursor.get(cursor)
    filter = [[call: call(given[:n] || 20)], @filter, configured(), given[:filter] || []]
    filter = Enum.reduce(filter, &Keyword.merge(&2, &1))

    if cursor && filter[:order] == :as_done,
      do: raise(ArgumentError, "expected :order to be :preserve, since a cursor needs it, got: :as_done")

    %{
      source: %InteractionSource{events: given[:events] || History.stream([after: place] ++ history)},
      filter: struct!(RecommendFilter, filter),
      sink: struct!(RecommendationSink, Keyword.put(given[:sink] || [], :cursor, cursor))
    }
  end

  defp configured, do: :sekai |> Application.get_env(__MODULE__, []) |> Keyword.get(:filter, [])

  # What the model does not know yet, the call says.
  defp call(n) do
    known_until = Models.data_until()

    fn event, timeout ->
      options = [n: n, timeout: timeout] ++ recent(event, known_until)
      PortWorker.recommend(Recommender, event.user_id, options)
    end
  end

  defp recent(%{time: time}, known_until) when is_nil(time) or is_nil(known_until), do: []

  defp recent(%{time: time, user_id: user}, known_until) do
    if DateTime.after?(time, known_until), do: newer(Interactions.recent_items(user, known_until)), else: []
  end

  defp newer([]), do: []
  defp newer(items), do: [recent: items]

  defp start(children) do
    child = {__MODULE__, children: children, owner: self()}
    DynamicSupervisor.start_child(Sekai.Streams.Supervisor, child)
  end

  defp await({:error, reason}), do: {:error, %Crash{reason: reason}}

  # The supervisor is the last to end: then all of it has.
  defp await({:ok, supervisor, pipeline}) do
    monitor = Process.monitor(supervisor)
    answer = counts(pipeline)
    receive do: ({:DOWN, ^monitor, :process, _pid, _reason} -> answer)
  end

  defp counts(pipeline) do
    {:ok, Membrane.Pipeline.call(pipeline, :await, :infinity)}
  catch
    :exit, {reason, _call} -> {:error, %Crash{reason: reason}}
  end

  @doc false
  @spec child_spec(keyword()) :: Supervisor.child_spec()
  def child_spec(options),
    do: %{id: __MODULE__, start: {__MODULE__, :start_link, [options]}, type: :supervisor, restart: :temporary}

  @doc false
  @spec start_link(keyword()) :: Membrane.Pipeline.on_start()
  def start_link(options), do: Membrane.Pipeline.start_link(__MODULE__, options)

  @impl true
  def handle_init(_ctx, children: children, owner: owner) do
    Process.monitor(owner)
    {[spec: spec(children)], %{counts: %{}, reports: 0, from: nil}}
  end

  # What waits before an element is no more than that can do at a time.
  defp spec(%{source: source, filter: filter, sink: sink}) do
    child(:source, source)
    |> via_in(:input, target_queue_size: filter.max_in_flight)
    |> child(:filter, filter)
    |> via_in(:input, auto_demand_size: sink.batch)
    |> child(:sink, sink)
  end

  @impl true
  def handle_child_notification({:counts, counts}, _child, _ctx, state),
    do: finish(%{state | counts: Map.merge(state.counts, counts), reports: state.reports + 1})

  def handle_child_notification({:dropped, _event, _error}, _child, _ctx, state), do: {[], state}

  @impl true
  def handle_call(:await, ctx, state), do: finish(%{state | from: ctx.from})

  @impl true
  def handle_info({:DOWN, _monitor, :process, _owner, _reason}, _ctx, state),
    do: {[terminate: {:shutdown, :owner_down}], state}

  defp finish(%{from: from, reports: @reports} = state) when from != nil,
    do: {[reply_to: {from, state.counts}, terminate: :normal], state}

  defp finish(state), do: {[], state}
end
