defmodule Sekai.Streams.WorkerTest do
  use Sekai.WorkerCase

  import ExUnit.CaptureLog
  import Sekai.StreamFakes, only: [attach: 1]

  alias Sekai.Interactions.Interaction
  alias Sekai.Jobs.StreamWorker
  alias Sekai.Recommendations.Recommendation
  alias Sekai.Streams.{Cursor, Pipeline}
  alias Sekai.{Models, Recommender}

  setup_all do
    options = [algorithm: "ALS", params: [embed_size: 8, n_epochs: 3], activate: :force]
    %{version: version} = PortWorker.retrain!(Recommender, options)
    %{version: version}
  end

  setup do
    forget = fn -> Repo.query!("TRUNCATE stream_cursors") end
    forget.()
    on_exit(forget)
  end

  defp users, do: Repo.all(from i in Interaction, distinct: true, order_by: i.user_id, select: i.user_id)
  defp stored, do: Repo.all(from r in Recommendation, order_by: r.user_id, select: r.user_id)
  defp running, do: DynamicSupervisor.count_children(Sekai.Streams.Supervisor).active

  describe "the pipeline" do
    test "stores the lists of all who did something, from the model that serves", %{version: version} do
      interactions = Repo.aggregate(Interaction, :count)
      assert interactions > 6_000

      {:ok, counts} = Pipeline.run(cursor: "all", newest_only: true)
      assert %{dropped: 0, passed: 0, recommended: events, events: events} = counts
      assert events < interactions
      assert stored() == users()

      for row <- Repo.all(Recommendation) do
        assert length(row.item_ids) == 20 and length(row.scores) == 20
        assert row.model_version == version and row.source == "model"
      end

      assert {:ok, %{events: 0, rows: 0}} = Pipeline.run(cursor: "all")
    end

    test "loses nothing when the worker is killed midway" do
      attach([:stored, :call])
      run = Task.async(fn -> Pipeline.run(cursor: "all", newest_only: true, sink: [batch: 20]) end)
      assert_receive {:telemetry, :stored, _measured, _about}, 10_000
      {:ok, %{os_pid: os_pid}} = PortWorker.info(Recommender)

      capture_log(fn ->
        {_output, 0} = System.cmd("kill", ["-9", "#{os_pid}"])
        assert {:ok, %{dropped: 0, recommended: events, events: events}} = Task.await(run, 60_000)
      end)

      {:ok, %{os_pid: another}} = PortWorker.info(Recommender)
      assert another != os_pid
      assert stored() == users()
    end

    test "tells the worker of what the model does not know", %{version: version} do
      now = DateTime.utc_now()

      {:ok, _version} =
        Models.put_version(%{version: version, algorithm: "ALS", trained_at: now, data_until: now})

      {:ok, _version} = Models.mark_active(version)
      [user | _] = users()
      item = Repo.one!(from i in Sekai.Content.Item, where: i.is_public, order_by: i.id, limit: 1)

      {:ok, _counts} =
        Sekai.Interactions.record([
          %{
            id: Ecto.UUID.generate(),
            user_id: user,
            item_id: item.id,
            kind: "favourite",
            time: DateTime.add(now, 1)
          }
        ])

      assert {:ok, %{events: 1, recommended: 1, rows: 1}} = Pipeline.run(since: now)
      assert %{source: "fold_in", model_version: ^version} = Repo.get(Recommendation, user)
    end
  end

  describe "the job" do
    setup do: start_oban(queues: [streams: 1])

    defp insert(args), do: args |> StreamWorker.new() |> Oban.insert!()
    defp job(%{id: id}), do: Enum.find(Oban.all_jobs(Oban.Job), &(&1.id == id))
    defp becomes(job, state), do: eventually(fn -> job(job).state == state && job(job) end, 20_000)

    test "goes on where the one before it ended" do
      %{} = %{"limit" => 1_000} |> insert() |> becomes("completed")
      {time, _id} = Cursor.get("interactions")
      some = length(stored())
      assert some in 1..length(users())

      %{} = insert(%{}) |> becomes("completed")
      {later, _id} = Cursor.get("interactions")
      assert DateTime.after?(later, time)
      assert stored() == users()
    end

    test "has the pipeline's crash for its error, and does it all when it is tried again" do
      Repo.query!("ALTER TABLE recommendations RENAME TO recommendations_away")

      capture_log(fn ->
        job = insert(%{})
        assert %{errors: [%{"error" => error}], attempt: 1} = becomes(job, "retryable")
        assert error =~ "recommendations"
        assert Cursor.get("interactions") == nil and running() == 0

        Repo.query!("ALTER TABLE recommendations_away RENAME TO recommendations")
        Oban.retry_job(job.id)
        assert %{attempt: 2} = becomes(job, "completed")
      end)

      assert stored() == users()
    after
      Repo.query!("ALTER TABLE IF EXISTS recommendations_away RENAME TO recommendations")
    end

    test "that is cancelled, or past its time, takes its pipeline with it" do
      # A worker that stands still answers nobody.
      {:ok, %{os_pid: os_pid}} = PortWorker.info(Recommender)
      {_output, 0} = System.cmd("kill", ["-STOP", "#{os_pid}"])

      capture_log(fn ->
        job = insert(%{})
        eventually(fn -> running() == 1 end)
        Oban.cancel_job(job.id)
        becomes(job, "cancelled")
        eventually(fn -> running() == 0 end)

        job = insert(%{"timeout_ms" => 300})
        assert %{errors: [%{"error" => error}]} = becomes(job, "retryable")
        assert error =~ "timed out"
        eventually(fn -> running() == 0 end)
      end)

      {_output, 0} = System.cmd("kill", ["-CONT", "#{os_pid}"])
      assert Cursor.get("interactions") == nil
      # The calls were cancelled in the worker: it has time for others.
      assert eventually(fn -> match?({:ok, %{in_flight: 0, waiting: 0}}, PortWorker.info(Recommender)) end)
    end
  end
end
