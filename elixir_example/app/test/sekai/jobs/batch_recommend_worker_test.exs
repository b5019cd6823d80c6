defmodule Sekai.Jobs.BatchRecommendWorkerTest do
  use Sekai.WorkerCase
  @moduletag capture_log: true
  use Oban.Testing, repo: Sekai.Jobs.repo()

  alias Sekai.Jobs.BatchRecommendWorker
  alias Sekai.Models
  alias Sekai.Models.ModelVersion
  alias Sekai.{Recommendations, Recommender}
  alias Sekai.Recommendations.{BatchRun, Recommendation}

  @users 200
  # Four pages.
  @page 50

  setup_all do
    {:ok, %{version: version}} =
      PortWorker.retrain(Recommender, algorithm: "ALS", params: [embed_size: 8, n_epochs: 3], activate: :force)

    settings = Application.fetch_env!(:sekai, BatchRecommendWorker)
    Application.put_env(:sekai, BatchRecommendWorker, page: @page, n: 20)
    on_exit(fn -> Application.put_env(:sekai, BatchRecommendWorker, settings) end)
    %{version: version}
  end

  setup %{version: version} do
    serves(version)
    :ok
  end

  test "stores one list for each user, made with the version that serves", %{version: version} do
    assert :ok = run(version)

    assert Recommendations.count(version) == @users
    assert [%{state: :succeeded, users: @users, finished_at: %DateTime{}}] = Repo.all(BatchRun)
    %{item_ids: ids, scores: scores, source: source} = list = Repo.one!(from r in Recommendation, limit: 1)
    assert length(ids) == length(scores) and length(Enum.uniq(ids)) in 1..20
    assert source in ~w(model popular)

    # As they would be shown to who asks.
    late = Recommendations.for_user(list.user_id, timeout: 0)
    assert {:ok, %{source: :stored, model: ^version, items: [_item | _more]}} = late
  end

  test "done twice leaves one list for each user", %{version: version} do
    assert :ok = run(version)
    assert :ok = run(version)

    assert Repo.aggregate(Recommendation, :count) == @users
    assert length(Repo.all(BatchRun)) == 2
  end

  test "goes on where it was broken off", %{version: version} do
    job = insert(version)
    done = on_page(fn page -> if page == 2, do: Process.exit(self(), :kill) end)
    {pid, monitor} = spawn_monitor(fn -> BatchRecommendWorker.perform(job) end)
    assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}, 30_000
    assert [%{state: :running, users: 100}] = Repo.all(BatchRun)

    assert :ok = BatchRecommendWorker.perform(job)

    assert done.() == 4
    assert Recommendations.count(version) == @users
    # What is done already is not done again.
    assert :ok = BatchRecommendWorker.perform(job)
    assert done.() == 4
  end

  test "run by two at once stores each page once", %{version: version} do
    job = insert(version)

    results = for _each <- 1..2, do: Task.async(fn -> BatchRecommendWorker.perform(job) end)

    assert Task.await_many(results, 60_000) == [:ok, :ok]
    assert [%{state: :succeeded, users: @users}] = Repo.all(BatchRun)
    assert Recommendations.count(version) == @users
  end

  test "ends where another version serves midway: that has its own", %{version: version} do
    job = insert(version)
    on_page(fn page -> if page == 1, do: serves("v2") end)

    assert {:cancel, _why} = BatchRecommendWorker.perform(job)

    assert [%{state: :superseded, users: @page}] = Repo.all(BatchRun)
    assert Recommendations.count(version) == @page
    assert {:ok, _job} = BatchRecommendWorker.request("v2")
  end

  test "does not begin for a version that does not serve any more", %{version: version} do
    job = insert(version)
    serves("v2")

    assert {:cancel, _why} = BatchRecommendWorker.perform(job)
    assert Repo.aggregate(Recommendation, :count) == 0
  end

  test "waits where the workers serve another version than the database says" do
    serves("v2")
    assert {:snooze, _seconds} = "v2" |> insert() |> BatchRecommendWorker.perform()
  end

  test "goes on with the next worker where one dies between two pages", %{version: version} do
    on_page(fn page -> if page == 1, do: die(os_pid()) end)

    assert :ok = version |> insert() |> BatchRecommendWorker.perform()
    assert Recommendations.count(version) == @users
  end

  test "takes an attempt where the worker dies of it, and goes on from there", %{version: version} do
    job = insert(version)
    on_page(fn page -> if page == 1, do: die_at_next_call(os_pid()) end)

    assert {:error, %PortWorker.Error{code: :worker_down}} = BatchRecommendWorker.perform(job)

    assert [%{state: :running, users: @page}] = Repo.all(BatchRun)
    eventually(fn -> PortWorker.ready?(Recommender) end)
    assert :ok = BatchRecommendWorker.perform(job)
    assert Recommendations.count(version) == @users
  end

  test "is asked for once for each version, and by cron for the one that serves", %{version: version} do
    assert :ok = perform_job(BatchRecommendWorker, %{})
    assert [%{args: %{"version" => ^version}}] = all_enqueued(worker: BatchRecommendWorker)

    assert {:error, :running} = BatchRecommendWorker.request(version)
    assert {:ok, _job} = BatchRecommendWorker.request("v2")
    assert {:ok, %{id: id}} = Oban.insert(BatchRecommendWorker.new(%{}))
    assert is_integer(id)
    assert {:ok, %{id: nil}} = Oban.insert(BatchRecommendWorker.new(%{}))
  end

  test "a user who is gone when the page is stored doesn't keep the others from it", %{version: version} do
    # The first of the first page.
    id = "00000000-0000-0000-0000-000000000001"
    Repo.insert!(%Sekai.Accounts.User{id: id, username: "gone", display_name: "Gone"})

    on_event([:port_worker, :call, :stop], fn meta ->
      if meta.op == :recommend_many, do: Repo.delete_all(from u in Sekai.Accounts.User, where: u.id == ^id)
    end)

    job = insert(version)
    assert {:snooze, _seconds} = BatchRecommendWorker.perform(job)
    assert :ok = BatchRecommendWorker.perform(job)

    assert Recommendations.count(version) == @users
  end

  defp serves(version) do
    {:ok, _version} = Models.put_version(%{version: version, algorithm: "ALS", trained_at: DateTime.utc_now()})
    {:ok, %ModelVersion{}} = Models.mark_active(version)
  end

  defp insert(version) do
    {:ok, job} = BatchRecommendWorker.request(version)
    job
  end

  defp run(version) do
    {:ok, _job} = BatchRecommendWorker.request(version)
    assert %{success: 1} = Oban.drain_queue(queue: :batch)
    :ok
  end

  # `fun` is called in the job, with how many pages are done.
  defp on_page(fun) do
    pages = :counters.new(1, [])

    on_event([:sekai, :batch, :page], fn _meta ->
      :ok = :counters.add(pages, 1, 1)
      fun.(:counters.get(pages, 1))
    end)

    fn -> :counters.get(pages, 1) end
  end

  defp on_event(event, fun) do
    id = make_ref()
    :telemetry.attach(id, event, fn _event, _measured, meta, _config -> fun.(meta) end, nil)
    on_exit(fn -> :telemetry.detach(id) end)
  end

  # Another has been started when this returns.
  defp die(os_pid) do
    kill(os_pid, "-KILL")
    eventually(fn -> PortWorker.ready?(Recommender) and os_pid() != os_pid end)
  end

  # It doesn't answer the next call, which it has when it dies.
  defp die_at_next_call(os_pid) do
    kill(os_pid, "-STOP")

    spawn_link(fn ->
      eventually(fn -> match?({:ok, %{in_flight: 1}}, PortWorker.info(Recommender)) end)
      kill(os_pid, "-KILL")
    end)
  end

  defp os_pid do
    {:ok, %{os_pid: os_pid}} = PortWorker.info(Recommender)
    os_pid
  end

  defp kill(os_pid, signal), do: {_output, 0} = System.cmd("kill", [signal, to_string(os_pid)])
end
