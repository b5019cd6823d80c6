defmodule Sekai.Jobs.RetrainRequestTest do
  use Sekai.DataCase, async: true
  use Oban.Testing, repo: Sekai.Jobs.repo()

  alias Sekai.Jobs.{RetrainArgs, RetrainWorker}
  alias Sekai.Models

  describe "request/1" do
    test "makes a job and its run" do
      asked = %{"algorithm" => "BPR", "params" => %{"embed_size" => 8, "hidden" => [1, 2]}, "epochs" => 3}

      assert {:ok, run} = RetrainWorker.request(asked)

      assert %{state: :waiting, algorithm: "BPR", params: %{"embed_size" => 8}} = run
      assert [job] = all_enqueued(worker: RetrainWorker)
      assert job.id == run.job_id
      assert job.args == asked
      assert Models.get_run(run.id) == run
    end

    test "has a second one wait for the first's end" do
      {:ok, %{id: id} = run} = RetrainWorker.request(%{})

      assert {:error, {:running, %{id: ^id}}} = RetrainWorker.request(%{"algorithm" => "BPR"})
      assert [_one] = all_enqueued(worker: RetrainWorker)

      :ok = RetrainWorker.cancel(run.id)
      assert {:ok, %{id: other}} = RetrainWorker.request(%{"algorithm" => "BPR"})
      assert other != id
    end

    test "opens the run of a job that cron has made" do
      {:ok, %{id: job_id}} = %{"algorithm" => "ALS"} |> RetrainWorker.new() |> Oban.insert()

      assert {:error, {:running, %{job_id: ^job_id, state: :waiting, algorithm: "ALS"}}} =
               RetrainWorker.request(%{})
    end

    test "leaves a job of cron's out where one is unfinished" do
      {:ok, run} = RetrainWorker.request(%{})

      assert {:ok, %{id: nil}} = %{"algorithm" => "ALS"} |> RetrainWorker.new() |> Oban.insert()
      assert [%{id: id}] = all_enqueued(worker: RetrainWorker)
      assert id == run.job_id
    end
  end

  describe "what request/1 refuses" do
    for {name, asked, field, message} <- [
          {"an unknown algorithm", %{"algorithm" => "MyCF"}, :algorithm, "is none of ALS, BPR"},
          {"an algorithm that is no string", %{"algorithm" => 1}, :algorithm, "is invalid"},
          {"parameters that are no map", %{"params" => [1]}, :params, "is invalid"},
          {"a parameter that is a map", %{"params" => %{"lr" => %{}}}, :params,
           "expected %{name} to be a number"},
          {"no epochs", %{"epochs" => 0}, :epochs, "must be greater than"},
          {"a seed below 0", %{"seed" => -1}, :seed, "must be greater than or equal to"},
          {"a budget beyond the job's timeout", %{"budget_s" => 1.0e9}, :budget_s,
           "must be less than or equal to"},
          {"an unknown mode", %{"mode" => "quick"}, :mode, "is invalid"},
          {"an unknown activate", %{"activate" => "yes"}, :activate, "is invalid"},
          {"a field that there is not", %{"algorithm" => "ALS", "algoritm" => "x"}, :base,
           ~s(there is no "algoritm")}
        ] do
      test name do
        assert {:error, %Ecto.Changeset{errors: [{field, {message, _details}}]}} =
                 RetrainWorker.request(unquote(Macro.escape(asked)))

        assert field == unquote(field)
        assert message =~ unquote(message)
        assert all_enqueued() == []
      end
    end
  end

  describe "cancel/1" do
    test "gives one up that waits" do
      {:ok, run} = RetrainWorker.request(%{})
      Models.subscribe()

      assert :ok = RetrainWorker.cancel(run.id)

      assert %{state: :cancelled, finished_at: %DateTime{}} = Models.get_run(run.id)
      assert_receive {:retrain_run, %{state: :cancelled}}
      assert [] = all_enqueued(worker: RetrainWorker)
    end

    test "leaves one that has ended as it is" do
      {:ok, run} = RetrainWorker.request(%{})
      {:ok, _run} = Models.update_run(run, %{state: :succeeded})

      assert :ok = RetrainWorker.cancel(run.id)
      assert %{state: :succeeded} = Models.get_run(run.id)
    end

    test "knows what is not there" do
      assert {:error, :not_found} = RetrainWorker.cancel(Ecto.UUID.generate())
      assert {:error, :not_found} = RetrainWorker.cancel("no id")
    end
  end

  @tag :worker
  test "knows the algorithms that the worker has" do
    {json, 0} = System.cmd(Path.expand("../../../../../bin/algorithms", __DIR__), ["--json"])
    names = json |> Jason.decode!() |> Map.fetch!("algorithms") |> Enum.map(& &1["name"])

    assert Enum.sort(RetrainArgs.algorithms()) == Enum.sort(names)
  end
end
