defmodule Sekai.Jobs.RetrainWorkerTest do
  use Sekai.WorkerCase
  use Oban.Testing, repo: Sekai.Jobs.repo()

  alias Sekai.Jobs.{BatchRecommendWorker, RetrainWorker}
  alias Sekai.{Models, Recommender}

  @quick %{"algorithm" => "ALS", "params" => %{"embed_size" => 8, "n_epochs" => 3}, "activate" => "force"}
  # Many minutes of it.
  @long %{"algorithm" => "ALS", "params" => %{"embed_size" => 64, "n_epochs" => 10_000}}

  setup do
    Models.subscribe()
    :ok
  end

  test "trains a model, tells how far it is, has it serve, and asks for everybody's list" do
    start_oban(queues: [retrain: 1])
    {:ok, %{id: id}} = RetrainWorker.request(@quick)

    told = until(id, :succeeded)

    assert %{state: :succeeded, share: 1.0, activated: true, version: version, reason: reason} = List.last(told)
    assert reason =~ "activated in any case"
    assert Enum.dedup(Enum.map(told, & &1.state)) == [:waiting, :running, :succeeded]
    assert "prepare" in Enum.map(told, & &1.phase)
    assert Enum.map(told, & &1.share) == Enum.sort(Enum.map(told, & &1.share))
    # A few for each second, not one for each epoch and phase.
    assert length(told) < 25

    assert %{version: ^version, algorithm: "ALS"} = serving = Models.active()

    assert %{"rows" => rows, "users" => 200, "evaluation" => %{"candidate" => %{"ndcg" => _ndcg}}} =
             serving.metrics

    assert rows > 5_000
    # Of the newest visit that a model may know of.
    assert DateTime.truncate(serving.data_until, :second) == DateTime.truncate(newest_public_visit(), :second)
    assert {:ok, %{active: ^version}} = PortWorker.models(Recommender)
    assert [%{args: %{"version" => ^version}}] = all_enqueued(worker: BatchRecommendWorker)
    eventually(fn -> Oban.all_jobs(Oban.Job.query(worker: RetrainWorker, state: :completed)) != [] end)
  end

  test "leaves the model before where the new one is not good enough" do
    train(@quick)
    %{version: serving} = Models.active()

    # It learns next to nothing.
    poor = %{"params" => %{"embed_size" => 1, "n_epochs" => 1, "reg" => 1_000_000.0}}
    run = train(poor)

    assert %{state: :succeeded, activated: false, version: poor, reason: reason} = run
    assert reason =~ "NDCG"
    assert Models.active().version == serving
    assert Enum.find(Models.list_versions(), &(&1.version == poor)).activated_at == nil
    assert {:ok, %{active: ^serving}} = PortWorker.models(Recommender)
  end

  test "fails at once, and says why, where it can't succeed" do
    {:ok, %{id: id}} = RetrainWorker.request(%{"params" => %{"embed_sise" => 8}})

    assert %{cancelled: 1} = Oban.drain_queue(queue: :retrain)

    assert %{state: :failed, reason: reason, finished_at: %DateTime{}} = Models.get_run(id)
    assert reason =~ "embed_sise"
    assert {:ok, _another} = RetrainWorker.request(@quick)
  end

  describe "a run that was interrupted" do
    test "after its training promotes the version and trains no other" do
      run = train(Map.put(@quick, "activate", "never"))
      # As it is written down before it is promoted.
      {:ok, %{version: version}} = Models.update_run(run, %{state: :running, activated: true})
      {:ok, %{active: serving}} = PortWorker.models(Recommender)
      assert serving != version
      trainings = count_trainings()

      assert :ok = again(run.job_id)
      assert %{state: :succeeded, version: ^version} = Models.get_run(run.id)
      assert %{version: ^version} = serving = Models.active()
      assert {:ok, %{active: ^version}} = PortWorker.models(Recommender)

      # And after that.
      {:ok, _run} = Models.update_run(run, %{state: :running})
      assert :ok = again(run.job_id)
      assert %{state: :succeeded} = Models.get_run(run.id)
      assert Models.list_versions() == [serving]
      assert trainings.() == 0
    end

    test "trains again where the version is gone" do
      {:ok, %{id: id, job_id: job_id} = run} = RetrainWorker.request(@quick)
      version = "20200101T000000Z-als-000000"
      {:ok, _run} = Models.update_run(run, %{state: :running, activated: true, version: version})

      {:ok, _version} =
        Models.put_version(%{version: version, algorithm: "ALS", trained_at: DateTime.utc_now()})

      assert {:snooze, _seconds} = again(job_id)
      assert %{version: nil, activated: nil} = Models.get_run(id)
    end
  end

  describe "cancel" do
    setup do
      start_oban(queues: [retrain: 1])
      {:ok, run} = RetrainWorker.request(@long)
      assert_receive {:retrain_run, %{phase: "prepare"}}, 60_000
      %{run: run}
    end

    test "of the run ends the worker's training", %{run: run} do
      assert :ok = RetrainWorker.cancel(run.id)

      assert_receive {:retrain_run, %{state: :cancelled}}
      assert %{state: "cancelled"} = job(run.job_id)
      idle()
      assert %{state: :cancelled, finished_at: %DateTime{}} = Models.get_run(run.id)
      assert Models.list_versions() == []
    end

    test "of the job ends the worker's training, and settle/0 the run", %{run: run} do
      assert :ok = Oban.cancel_job(run.job_id)

      idle()
      assert RetrainWorker.settle() == 1
      assert %{state: :cancelled} = Models.get_run(run.id)
      assert RetrainWorker.settle() == 0
    end

    test "on a node from which no signal comes ends the worker's training", %{run: run} do
      {:ok, _run} = Models.close_run(run, %{state: :cancelled})

      idle()
      eventually(fn -> job(run.job_id).state == "cancelled" end)
      assert %{state: :cancelled} = Models.get_run(run.id)
    end
  end

  @tag capture_log: true
  test "takes an attempt, and trains again, where the worker dies of it" do
    start_oban(queues: [retrain: 1])
    {:ok, %{id: id} = run} = RetrainWorker.request(@long)
    assert_receive {:retrain_run, %{phase: "prepare"}}, 60_000
    {:ok, %{os_pid: os_pid}} = PortWorker.info(Recommender)

    {_output, 0} = System.cmd("kill", ["-9", to_string(os_pid)])

    assert_receive {:retrain_run, %{id: ^id, state: :waiting, reason: "" <> reason}}, 10_000
    assert reason =~ "killed by signal 9"
    eventually(fn -> job(run.job_id).state == "retryable" end)
    assert {:error, {:running, %{id: ^id}}} = RetrainWorker.request(@quick)
    {:ok, _facts} = PortWorker.await_ready(Recommender)
  end

  defp train(args) do
    {:ok, %{id: id}} = RetrainWorker.request(args)
    assert %{success: 1} = Oban.drain_queue(queue: :retrain)
    Models.get_run(id)
  end

  defp again(job_id), do: job_id |> job() |> RetrainWorker.perform()

  defp job(id), do: List.first(Oban.all_jobs(from job in Oban.Job, where: job.id == ^id))

  defp newest_public_visit do
    Repo.one!(
      from i in Sekai.Interactions.Interaction,
        join: item in Sekai.Content.Item,
        on: item.id == i.item_id,
        where: item.is_public,
        select: max(i.time)
    )
  end

  defp count_trainings do
    test = self()
    id = make_ref()

    :telemetry.attach(
      id,
      [:port_worker, :call, :start],
      fn _event, _measured, meta, _config -> if meta.op == :retrain, do: send(test, {id, :training}) end,
      nil
    )

    on_exit(fn -> :telemetry.detach(id) end)

    fn ->
      {:messages, messages} = Process.info(test, :messages)
      Enum.count(messages, &(&1 == {id, :training}))
    end
  end

  defp idle do
    eventually(fn -> match?({:ok, %{training: nil}}, PortWorker.status(Recommender)) end)
  end

  defp until(id, state) do
    receive do
      {:retrain_run, %{id: ^id, state: ^state} = run} -> [run]
      {:retrain_run, %{id: ^id} = run} -> [run | until(id, state)]
    after
      60_000 -> flunk("the run #{id} did not come to be #{state}")
    end
  end
end
