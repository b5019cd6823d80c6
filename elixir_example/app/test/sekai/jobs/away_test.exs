defmodule Sekai.Jobs.AwayTest do
  # Neither a worker nor, in some, a database.
  use Sekai.DataCase, async: true

  alias Sekai.Jobs.{Away, BatchRecommendWorker, PruneWorker, RetrainWorker}
  alias Sekai.Models

  describe "while no worker runs" do
    test "a training is snoozed, and says for what it waits" do
      {:ok, run} = RetrainWorker.request(%{})

      assert %{snoozed: 1, failure: 0} = Oban.drain_queue(queue: :retrain)

      assert %{state: :waiting, reason: reason} = Models.get_run(run.id)
      assert reason =~ "Sekai.Recommender"
      assert {:error, {:running, _run}} = RetrainWorker.request(%{})
    end

    test "everybody's lists are snoozed" do
      {:ok, _version} = Models.put_version(%{version: "v1", algorithm: "ALS", trained_at: DateTime.utc_now()})
      {:ok, _version} = Models.mark_active("v1")
      {:ok, _job} = BatchRecommendWorker.request("v1")

      assert %{snoozed: 1, failure: 0} = Oban.drain_queue(queue: :batch)
    end
  end

  describe "while the database is away" do
    setup do
      {:ok, %{job_id: job_id}} = RetrainWorker.request(%{})
      job = Sekai.Jobs.repo().get!(Oban.Job, job_id)

      # Nobody listens there.
      options = [name: nil, url: "postgresql://nobody@127.0.0.1:1/none", pool: DBConnection.ConnectionPool]

      away =
        start_supervised!({Repo, options ++ [pool_size: 1, queue_target: 10, queue_interval: 10, log: false]})

      here = Repo.put_dynamic_repo(away)
      on_exit(fn -> Repo.put_dynamic_repo(here) end)
      %{job: job}
    end

    @tag capture_log: true
    test "jobs are snoozed", %{job: job} do
      assert {:snooze, _seconds} = RetrainWorker.perform(job)
      assert {:snooze, _seconds} = PruneWorker.perform(job)
    end
  end

  describe "patiently/2" do
    test "does again what the database was not there for" do
      tries = :counters.new(1, [])

      result =
        Away.patiently(fn ->
          :ok = :counters.add(tries, 1, 1)
          if :counters.get(tries, 1) == 1, do: raise(DBConnection.ConnectionError, "away"), else: :done
        end)

      assert result == :done
    end

    test "has an end, and no patience with other errors" do
      assert_raise DBConnection.ConnectionError, fn ->
        Away.patiently(fn -> raise DBConnection.ConnectionError, "away" end, 0)
      end

      assert_raise RuntimeError, fn -> Away.patiently(fn -> raise "broken" end) end
      assert_raise RuntimeError, fn -> Away.snooze(fn -> raise "broken" end, 1) end
    end
  end
end
