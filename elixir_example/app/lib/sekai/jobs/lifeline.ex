defmodule Sekai.Jobs.Lifeline do
  @moduledoc """
  Brings back jobs whose node has died, soon, and none that still runs.

  `Oban.Plugins.Lifeline` goes by how long a job has been executing, so it has to wait for longer than the longest training
  may take. This goes by who executes it: each queue of each node has a row in `oban_producers`, which this writes anew
  every `:interval`. A job whose queue was not heard of for `:rescue_after` is made available again, or discarded if that
  was its last attempt, as Oban's does.

  A node rescues only when it has itself been heard of for that long: after the database was away everybody is late. One
  that the database can't hear, but that runs on, has its jobs run twice; those of this application end the same then.

    * `:interval` - milliseconds (10,000)
    * `:rescue_after` - milliseconds, some intervals (60,000)
  """

  @behaviour Oban.Plugin

  use GenServer

  import Ecto.Query

  alias Oban.{Job, Plugin, Validation}

  @table "oban_producers"
  @forgotten_after_s 24 * 3600

  @enforce_keys [:conf]
  defstruct [:conf, :heard_since, interval: 10_000, rescue_after: 60_000]

  @impl Plugin
  def start_link(options) do
    {name, options} = Keyword.pop(options, :name)
    GenServer.start_link(__MODULE__, struct!(__MODULE__, options), name: name)
  end

  @impl Plugin
  def validate(options) do
    Validation.validate_schema(options,
      conf: :any,
      name: :any,
      interval: :pos_integer,
      rescue_after: :pos_integer
    )
  end

  @impl Plugin
  def format_logger_output(_conf, meta) do
    for key <- [:rescued_jobs, :discarded_jobs], jobs = meta[key], into: %{}, do: {key, Enum.map(jobs, & &1.id)}
  end

  @impl GenServer
  def init(state) do
    :telemetry.execute([:oban, :plugin, :init], %{}, %{conf: state.conf, plugin: __MODULE__})
    {:ok, schedule(state)}
  end

  @impl GenServer
  def handle_info(:beat, state) do
    meta = %{conf: state.conf, plugin: __MODULE__}

    state =
      :telemetry.span([:oban, :plugin], meta, fn ->
        case transaction(state, &beat/1) do
          {:ok, _rows} -> heard(%{state | heard_since: state.heard_since || now_ms()}, meta)
          {:error, error} -> {%{state | heard_since: nil}, Map.put(meta, :error, error)}
        end
      end)

    {:noreply, schedule(state)}
  end

  defp heard(state, meta) do
    if now_ms() - state.heard_since < state.rescue_after do
      {state, meta}
    else
      case transaction(state, &rescue_jobs/1) do
        {:ok, rescued} -> {state, Map.merge(meta, rescued)}
        {:error, error} -> {state, Map.put(meta, :error, error)}
      end
    end
  end

  defp transaction(state, fun), do: Oban.Repo.transaction(state.conf, fn -> fun.(state) end, on_exhausted: :log)

  defp beat(%{conf: conf}) do
    now = DateTime.utc_now()
    rows = for %{uuid: uuid} <- Oban.check_all_queues(conf.name), do: %{uuid: uuid, seen_at: now}
    Oban.Repo.insert_all(conf, @table, rows, on_conflict: {:replace, [:seen_at]}, conflict_target: :uuid)
    forgotten = DateTime.add(now, -@forgotten_after_s)
    Oban.Repo.delete_all(conf, from(p in @table, where: p.seen_at < ^forgotten))
  end

  defp rescue_jobs(%{conf: conf, rescue_after: rescue_after}) do
    now = DateTime.utc_now()
    since = DateTime.add(now, -rescue_after, :millisecond)
    heard = from p in @table, where: p.seen_at > ^since, select: p.uuid

    # attempted_by is the node and the queue's own id.
    orphans =
      from job in Job,
        where: job.state == "executing" and job.attempted_at < ^since,
        where: fragment("?[2]", job.attempted_by) not in subquery(heard),
        select: map(job, [:id, :queue, :state])

    again = where(orphans, [job], job.attempt < job.max_attempts)
    over = where(orphans, [job], job.attempt >= job.max_attempts)

    {_count, rescued} = Oban.Repo.update_all(conf, again, set: [state: "available"])
    {_count, discarded} = Oban.Repo.update_all(conf, over, set: [state: "discarded", discarded_at: now])
    %{rescued_jobs: rescued, discarded_jobs: discarded}
  end

  defp schedule(state) do
    Process.send_after(self(), :beat, state.interval)
    state
  end

  defp now_ms, do: System.monotonic_time(:millisecond)
end
