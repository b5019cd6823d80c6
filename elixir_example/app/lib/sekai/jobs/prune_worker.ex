defmodule Sekai.Jobs.PruneWorker do
  @moduledoc """
  Deletes what is beyond what is kept, some rows at a time, and ends the trainings whose jobs have ended without a word.

  | of | is kept |
  |---|---|
  | `model_versions` | the one that serves, and the newest 20 |
  | `recommendations` | those made with a version that is kept |
  | `retrain_runs`, `batch_runs` | those that have not ended, and those of the last 90 days |

  Oban's own jobs are deleted by `Oban.Plugins.Pruner`.
  """

  use Oban.Worker, queue: :maintenance, max_attempts: 3

  import Ecto.Query

  alias Sekai.Jobs.{Away, RetrainWorker}
  alias Sekai.Models.{ModelVersion, RetrainRun}
  alias Sekai.Recommendations.{BatchRun, Recommendation}
  alias Sekai.{Repo, Transaction}

  @versions 20
  @days 90
  @chunk 1_000
  @away_s 60

  @impl Oban.Worker
  def timeout(_job), do: :timer.minutes(30)

  @impl Oban.Worker
  def perform(_job) do
    Away.snooze(
      fn ->
        RetrainWorker.settle()
        {:ok, prune()}
      end,
      @away_s
    )
  end

  @doc "Deletes what is not kept. Returns how many rows that was, by table."
  @spec prune() :: %{atom() => non_neg_integer()}
  def prune do
    # In this order: a list goes with its version.
    [
      model_versions: delete(ModelVersion, :version, old_versions()),
      recommendations: delete(Recommendation, :user_id, stale_lists()),
      retrain_runs: delete(RetrainRun, :id, old(RetrainRun)),
      batch_runs: delete(BatchRun, :id, old(BatchRun))
    ]
    |> Map.new()
  end

  defp old_versions do
    newest =
      from m in ModelVersion,
        order_by: [desc: m.trained_at, desc: m.version],
        limit: @versions,
        select: m.version

    from m in ModelVersion,
      where: is_nil(m.activated_at) and m.version not in subquery(newest),
      select: m.version
  end

  defp stale_lists do
    known = from m in ModelVersion, select: m.version
    from r in Recommendation, where: r.model_version not in subquery(known), select: r.user_id
  end

  defp old(runs) do
    since = DateTime.add(DateTime.utc_now(), -@days, :day)
    from r in runs, where: r.finished_at < ^since, select: r.id
  end

  defp delete(schema, key, doomed, sum \\ 0) do
    some = limit(doomed, @chunk)
    query = from row in schema, where: field(row, ^key) in subquery(some)
    {:ok, count} = Transaction.run(fn -> {:ok, elem(Repo.delete_all(query), 0)} end, name: :prune)

    if count < @chunk, do: sum + count, else: delete(schema, key, doomed, sum + count)
  end
end
