defmodule Sekai.ModelsTest do
  use Sekai.DataCase

  import Sekai.Eventually

  alias Sekai.{Models, Recommender}
  alias Sekai.Models.{ModelVersion, RetrainRun, Serving}

  defp version(version, more \\ %{}) do
    given = %{version: version, algorithm: "ALS", trained_at: ~U[2026-01-01 00:00:00.000000Z]}
    {:ok, model} = Models.put_version(Map.merge(given, more))
    model
  end

  describe "versions" do
    test "are listed newest first" do
      version("a")
      version("b", %{trained_at: ~U[2026-01-02 00:00:00.000000Z]})
      assert Enum.map(Models.list_versions(), & &1.version) == ["b", "a"]
    end

    test "are written over, but for whether they serve" do
      version("a")
      {:ok, %{activated_at: since}} = Models.mark_active("a")
      assert %{metrics: %{"ndcg" => 0.3}, activated_at: ^since} = version("a", %{metrics: %{"ndcg" => 0.3}})
      assert %{metrics: %{"ndcg" => 0.3}, activated_at: ^since} = Repo.get!(ModelVersion, "a")
    end

    test "serve one at a time" do
      assert Models.active() == nil
      assert Models.data_until() == nil
      for name <- ["a", "b"], do: version(name, %{data_until: ~U[2026-01-01 00:00:00.000000Z]})
      {:ok, _a} = Models.mark_active("a")
      {:ok, _b} = Models.mark_active("b")
      assert %{version: "b"} = Models.active()
      assert Models.data_until() == ~U[2026-01-01 00:00:00.000000Z]
      assert [%{version: "b"}] = Enum.filter(Models.list_versions(), & &1.activated_at)
    end

    test "that serve are told of, twice if done twice, with the time of the first" do
      version("a")
      :ok = Models.subscribe()
      assert {:ok, %{activated_at: since}} = Models.mark_active("a")
      assert_receive {:promoted, "a"}
      assert {:ok, %{activated_at: ^since}} = Models.mark_active("a")
      assert_receive {:promoted, "a"}
    end

    test "that nobody knows are none" do
      :ok = Models.subscribe()
      assert Models.mark_active("a") == {:error, :not_found}
      assert Models.promote("a") == {:error, :not_found}
      refute_received {:promoted, _version}
    end
  end

  describe "a promotion" do
    setup do
      version("a")
      {:ok, _a} = Models.mark_active("a")
      version("b")
      {:ok, script: Sekai.ScriptedWorker.start()}
    end

    test "has the workers serve the version, and writes it down", %{script: script} do
      Sekai.ScriptedWorker.answer(script, %{activate: {:ok, %{version: "b", algorithm: "ALS", previous: "a"}}})
      assert {:ok, %{version: "b", activated_at: %DateTime{}}} = Models.promote("b")
      assert [{:activate, %{version: "b"}, _deadline}] = Sekai.ScriptedWorker.calls(script)
      assert %{version: "b"} = Models.active()
    end

    test "that the workers can't do leaves the one before", %{script: script} do
      Sekai.ScriptedWorker.answer(script, %{activate: {:error, :model_damaged}})
      assert {:error, %PortWorker.Error{code: :model_damaged}} = Models.promote("b")
      assert %{version: "a"} = Models.active()
    end

    test "without a worker leaves the one before" do
      :ok = stop_supervised(Recommender)
      assert {:error, %PortWorker.Error{code: :worker_down}} = Models.promote("b")
      assert %{version: "a"} = Models.active()
    end
  end

  describe "a training" do
    test "is opened once for a job, and told of" do
      :ok = Models.subscribe()
      assert {:ok, run} = Models.open_run(%{job_id: 7, algorithm: "ALS", params: %{"embed_size" => 8}})
      assert_receive {:retrain_run, %RetrainRun{state: :waiting, share: +0.0}}
      assert {:ok, again} = Models.open_run(%{job_id: 7, algorithm: "BPR"})
      assert again.id == run.id
      assert again.algorithm == "ALS"
    end

    test "goes on, and is told of" do
      {:ok, run} = Models.open_run(%{job_id: 7, algorithm: "ALS"})
      :ok = Models.subscribe()
      assert {:ok, run} = Models.update_run(run, %{state: :running, phase: "fit", share: 0.5})
      assert_receive {:retrain_run, ^run}
      assert %{state: :running, phase: "fit", share: 0.5} = Models.get_run(run.id)
    end

    test "ends once" do
      {:ok, run} = Models.open_run(%{job_id: 7, algorithm: "ALS"})

      assert {:ok, %{state: :cancelled, finished_at: %DateTime{} = ended}} =
               Models.close_run(run, %{state: :cancelled})

      assert {:ok, %{state: :cancelled, finished_at: ^ended}} = Models.close_run(run, %{state: :failed})
    end

    test "is listed newest first, and had by its id" do
      [one, two] = for job <- [1, 2], do: elem(Models.open_run(%{job_id: job, algorithm: "ALS"}), 1)
      assert Enum.map(Models.list_runs(), & &1.id) == [two.id, one.id]
      assert Enum.map(Models.list_runs(1), & &1.id) == [two.id]
      assert Models.get_run(one.id).job_id == 1
      assert Models.get_run(Ecto.UUID.generate()) == nil
      assert Models.get_run("one") == nil
    end
  end

  describe "what is kept of the serving version" do
    @a ~U[2026-01-01 00:00:00.000000Z]
    @b ~U[2026-02-02 00:00:00.000000Z]

    setup do
      version("a", %{data_until: @a})
      version("b", %{data_until: @b})
      start_supervised!({Serving, name: __MODULE__.Serving, refresh_ms: 60_000})
      :ok = Serving.refresh(__MODULE__.Serving)
    end

    # It reads what was told before it answers this.
    defp kept do
      :sys.get_state(__MODULE__.Serving)
      Serving.data_until(__MODULE__.Serving)
    end

    test "is read when it starts, and with each promotion, back and forth" do
      assert kept() == nil
      {:ok, _a} = Models.mark_active("a")
      assert kept() == @a
      {:ok, _b} = Models.mark_active("b")
      assert kept() == @b
      {:ok, _a} = Models.mark_active("a")
      assert kept() == @a
      :ok = stop_supervised(Serving)
      start_supervised!({Serving, name: __MODULE__.Serving, refresh_ms: 60_000})
      assert kept() == @a
    end

    test "is read for what is told by another node" do
      Repo.update_all(from(m in ModelVersion, where: m.version == "b"), set: [activated_at: @b])
      assert kept() == nil
      Phoenix.PubSub.broadcast(Sekai.PubSub, Models.topic(), {:promoted, "b"})
      assert kept() == @b
    end

    test "is read when a node joins, whose promotions were not heard" do
      Repo.update_all(from(m in ModelVersion, where: m.version == "b"), set: [activated_at: @b])
      send(__MODULE__.Serving, {:nodeup, :"other@127.0.0.1"})
      assert kept() == @b
    end

    test "is read again after a while" do
      start_supervised!({Serving, name: __MODULE__.Quick, refresh_ms: 10}, id: :quick)
      :ok = Serving.refresh(__MODULE__.Quick)
      Repo.update_all(from(m in ModelVersion, where: m.version == "b"), set: [activated_at: @b])
      assert eventually(fn -> Serving.data_until(__MODULE__.Quick) == @b end)
    end

    test "is nil while there is nobody to keep it" do
      assert Serving.data_until(__MODULE__.Nobody) == nil
    end
  end
end
