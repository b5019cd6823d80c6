defmodule Sekai.Monitor do
  @moduledoc """
  How the recommendations are doing, for the page: how long answers took in the last minute, and what the workers and
  runners do.

  Answers are counted by a telemetry handler, which runs in whoever has answered and writes a row of a table: the last
  4,096, whatever the load. Twice a second this process sums them up, and broadcasts `{:monitor, snapshot}` on `topic/1`
  where something has changed.
  """

  use GenServer

  alias Sekai.Monitor.{Window, Workers}
  alias Sekai.{Recommendations, Recommender, Runners}

  @answered [:sekai, :recommendations, :stop]
  @used [:sekai, :runners, :usage]
  @look_ms 500
  @kept 4_096

  @typedoc "`runners` is what `Sekai.Runners.Telemetry` last told, and nil where there are none."
  @type snapshot :: %{latency: Window.t(), workers: [Workers.worker()], runners: Runners.Usage.report() | nil}

  @doc "The topic of `Sekai.PubSub`."
  @spec topic(atom()) :: String.t()
  def topic(name \\ __MODULE__), do: inspect(name)

  @doc "Subscribes the calling process."
  @spec subscribe(atom()) :: :ok | {:error, term()}
  def subscribe(name \\ __MODULE__), do: Phoenix.PubSub.subscribe(Sekai.PubSub, topic(name))

  @doc """
  Options: `:name` (this module), `:placement` (that of `Sekai.Recommender`), and `:look_ms`, the milliseconds between two
  looks (#{@look_ms}).
  """
  @spec start_link(keyword()) :: GenServer.on_start()
  def start_link(options \\ []) do
    name = Keyword.get(options, :name, __MODULE__)
    GenServer.start_link(__MODULE__, Keyword.put(options, :name, name), name: name)
  end

  @doc "The latest snapshot. Asks no process."
  @spec snapshot(atom()) :: snapshot()
  def snapshot(name \\ __MODULE__) do
    case :ets.lookup(name, :snapshot) do
      [{:snapshot, snapshot}] -> snapshot
      [] -> empty()
    end
  rescue
    # It is about to start.
    ArgumentError -> empty()
  end

  defp empty, do: %{latency: Window.summary([], now()), workers: [], runners: nil}

  @doc """
  Runs `fun`, which asks `Sekai.Recommendations`, and emits what the API emits when it has answered:
  `[:sekai, :recommendations, :stop]` with the `duration`, and `op`, `source`, `fallback` and `error`.
  """
  @spec measure(atom(), (-> answer)) :: answer
        when answer: {:ok, Recommendations.t()} | {:error, PortWorker.Error.t()}
  def measure(op, fun) do
    since = System.monotonic_time()
    answer = fun.()
    :telemetry.execute(@answered, %{duration: System.monotonic_time() - since}, about(op, answer))
    answer
  end

  defp about(op, {:ok, answer}),
    do: %{
      op: op,
      status: nil,
      source: answer.source,
      fallback: answer.fallback && answer.fallback.code,
      error: nil
    }

  defp about(op, {:error, error}), do: %{op: op, status: nil, source: nil, fallback: nil, error: error.code}

  @impl true
  def init(options) do
    # So that terminate/2 runs.
    Process.flag(:trap_exit, true)
    name = options[:name]
    :ets.new(name, [:named_table, :public, write_concurrency: true])

    state = %{
      name: name,
      placement: Keyword.get_lazy(options, :placement, &Recommender.placement/0),
      look_ms: Keyword.get(options, :look_ms, @look_ms),
      runners: nil
    }

    attach(name)
    {:ok, look(state)}
  end

  defp attach(name) do
    config = %{table: name, next: :atomics.new(1, []), monitor: self()}
    detach(name)
    :ok = :telemetry.attach({name, :answered}, @answered, &__MODULE__.answered/4, config)
    :ok = :telemetry.attach({name, :used}, @used, &__MODULE__.used/4, config)
  end

  defp detach(name), do: for(which <- [:answered, :used], do: :telemetry.detach({name, which}))

  # Runs in who has answered.
  @doc false
  def answered(_event, %{duration: duration}, about, %{table: table, next: next}) do
    ms = System.convert_time_unit(duration, :native, :microsecond) / 1_000
    row = rem(:atomics.add_get(next, 1, 1), @kept)
    :ets.insert(table, {row, now(), ms, outcome(about)})
  end

  defp outcome(%{fallback: nil, source: nil}), do: :failed
  defp outcome(%{fallback: nil}), do: :answered
  defp outcome(_fallback), do: :fallback

  @doc false
  def used(_event, report, _about, %{monitor: monitor}), do: send(monitor, {:used, report})

  @impl true
  def handle_info(:look, state), do: {:noreply, look(state)}
  def handle_info({:used, report}, state), do: {:noreply, %{state | runners: report}}
  def handle_info(_other, state), do: {:noreply, state}

  defp look(state) do
    Process.send_after(self(), :look, state.look_ms)
    before = snapshot(state.name)

    seen = %{
      latency: Window.summary(samples(state.name), now()),
      workers: Workers.look(state.placement),
      runners: state.runners
    }

    if seen != before do
      :ets.insert(state.name, {:snapshot, seen})
      Phoenix.PubSub.broadcast(Sekai.PubSub, topic(state.name), {:monitor, seen})
    end

    state
  end

  defp samples(table), do: :ets.select(table, [{{:_, :"$1", :"$2", :"$3"}, [], [{{:"$1", :"$2", :"$3"}}]}])

  @impl true
  def terminate(_reason, state), do: detach(state.name)

  defp now, do: System.monotonic_time(:millisecond)
end
