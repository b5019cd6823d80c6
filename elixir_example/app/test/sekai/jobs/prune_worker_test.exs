defmodule Sekai.Jobs.PruneWorkerTest do
  use Sekai.DataCase, async: true
  use Oban.Testing, repo: Sekai.Jobs.repo()

  alias Sekai.Jobs.{PruneWorker, RetrainWorker}
  alias Sekai.Models
  alias Sekai.Models.ModelVersion
  alias Sekai.{Recommendations, Repo}
  alias Sekai.Recommendations.{BatchRun, Recommendation}

  test "keeps the newest versions and the one that serves, and the lists made with them" do
    for number <- 1..25, do: version(number)
    {:ok, _version} = Models.mark_active("v01")
    for number <- [1, 3, 4, 5, 6, 25], do: list("v" <> two(number))

    assert %{model_versions: 4, recommendations: 3} = PruneWorker.prune()

    assert ["v01" | newest] = Repo.all(from m in ModelVersion, order_by: m.version, select: m.version)
    assert newest == for(number <- 6..25, do: "v" <> two(number))
    kept = Repo.all(from r in Recommendation, order_by: r.model_version, select: r.model_version)
    assert kept == ["v01", "v06", "v25"]
    assert Models.active().version == "v01"
    assert %{model_versions: 0, recommendations: 0} = PruneWorker.prune()
  end

  test "keeps runs of the last 90 days, and those that have not ended" do
    old = run(1, state: :succeeded, finished_at: days_ago(91))
    recent = run(2, state: :failed, finished_at: days_ago(89))
    open = run(3, state: :running, started_at: days_ago(200))
    {:ok, batch} = BatchRun.open(4, "v1")
    {:ok, _batch} = BatchRun.open(5, "v1")
    batch |> Ecto.Changeset.change(finished_at: days_ago(91)) |> Repo.update!()

    assert %{retrain_runs: 1, batch_runs: 1} = PruneWorker.prune()

    assert Models.get_run(old.id) == nil
    assert Models.get_run(recent.id) && Models.get_run(open.id)
    assert [%{job_id: 5}] = Repo.all(BatchRun)
  end

  test "ends the runs whose jobs have ended without a word" do
    {:ok, run} = RetrainWorker.request(%{})
    gone = run(1_000_000_000, state: :running)
    Sekai.Jobs.repo().update_all(Oban.Job, set: [state: "discarded"])

    assert {:ok, _deleted} = perform_job(PruneWorker, %{})

    assert %{state: :failed, reason: "it was interrupted" <> _rest} = Models.get_run(run.id)
    assert %{state: :failed, reason: "its job is gone"} = Models.get_run(gone.id)
  end

  test "leaves a run whose job is unfinished" do
    {:ok, run} = RetrainWorker.request(%{})
    assert RetrainWorker.settle() == 0
    assert %{state: :waiting} = Models.get_run(run.id)
  end

  defp version(number) do
    trained_at = DateTime.add(~U[2026-01-01 00:00:00.000000Z], number, :day)

    {:ok, _version} =
      Models.put_version(%{version: "v" <> two(number), algorithm: "ALS", trained_at: trained_at})
  end

  defp two(number), do: String.pad_leading(to_string(number), 2, "0")

  defp list(version) do
    row = %{user_id: user().id, item_ids: [], scores: [], source: "model", model_version: version}
    {:ok, 1} = Recommendations.store([row])
  end

  defp run(job_id, attributes) do
    {:ok, run} = Models.open_run(%{job_id: job_id, algorithm: "ALS"})
    run |> Ecto.Changeset.change(Map.new(attributes)) |> Repo.update!()
  end

  defp days_ago(days), do: DateTime.add(DateTime.utc_now(), -days, :day)
end
