defmodule Sekai.Jobs.ObanTableTest do
  # Oban for real, with the engine and the table that are configured: what it does has to work without what was left out.
  use Sekai.DataCase, async: false
  use Oban.Testing, repo: Sekai.Jobs.repo()

  import Sekai.Eventually

  defmodule Worker do
    use Oban.Worker, queue: :table, max_attempts: 2

    @impl Oban.Worker
    def backoff(_job), do: 3_600

    @impl Oban.Worker
    def perform(%{args: %{"do" => "succeed"}}), do: :ok
    def perform(%{args: %{"do" => "raise"}}), do: raise("something broke")
    def perform(%{args: %{"do" => "error"}}), do: {:error, "no luck"}
    def perform(%{args: %{"do" => "cancel"}}), do: {:cancel, "no use"}
    def perform(%{args: %{"do" => "snooze"}}), do: {:snooze, 60}

    def perform(%{args: %{"do" => "wait"}}) do
      send(Sekai.Jobs.ObanTableTest, {:waits, self()})
      Process.sleep(:infinity)
    end
  end

  setup do
    Process.register(self(), __MODULE__)

    start_supervised!(
      {Oban,
       name: __MODULE__.Oban,
       repo: Sekai.Jobs.repo(),
       engine: Oban.config().engine,
       notifier: Oban.Notifiers.Isolated,
       peer: Oban.Peers.Isolated,
       queues: [table: 5],
       stage_interval: 50,
       plugins: [
         {Oban.Plugins.Cron, crontab: [{"* * * * *", Worker, args: %{do: "succeed"}}]},
         {Oban.Plugins.Pruner, max_age: 60}
       ]}
    )

    :ok
  end

  test "a job that succeeds" do
    assert %{attempt: 1, errors: [], attempted_by: [_node, _queue], completed_at: %DateTime{}} =
             run("succeed", "completed")
  end

  test "a job that fails keeps its errors, one an attempt, and is discarded after the last" do
    %{id: id} = run("raise", "retryable")
    :ok = Oban.retry_job(__MODULE__.Oban, id)

    assert %{errors: [first, second]} = in_state(id, "discarded")
    assert %{"attempt" => 1, "error" => "** (RuntimeError) something broke" <> _trace, "at" => _time} = first
    assert %{"attempt" => 2} = second
  end

  test "a job that answers an error" do
    assert %{errors: [%{"error" => error}]} = run("error", "retryable")
    assert error =~ "no luck"
  end

  test "a job that gives up" do
    assert %{errors: [%{"error" => error}], cancelled_at: %DateTime{}} = run("cancel", "cancelled")
    assert error =~ "no use"
  end

  test "a job that is snoozed has an attempt more, and is staged when its time has come" do
    job = run("snooze", "scheduled")
    assert %{attempt: 1, max_attempts: 3} = job
    Sekai.Jobs.repo().update!(Ecto.Changeset.change(job, scheduled_at: DateTime.utc_now()))

    assert eventually(fn -> job(job.id).attempt == 2 end)
  end

  test "a job that is cancelled while it runs is ended" do
    {:ok, %{id: id}} = insert("wait")
    assert_receive {:waits, pid}, 5_000
    monitor = Process.monitor(pid)

    assert :ok = Oban.cancel_job(__MODULE__.Oban, id)

    assert_receive {:DOWN, ^monitor, :process, _pid, _reason}, 5_000
    assert %{cancelled_at: %DateTime{}} = in_state(id, "cancelled")
  end

  test "many jobs at once" do
    jobs = for _each <- 1..25, do: Worker.new(%{do: "succeed"}, tags: ["many"], meta: %{of: 25})

    assert [%{id: id} | _rest] = inserted = Oban.insert_all(__MODULE__.Oban, jobs)

    assert is_integer(id) and length(inserted) == 25
    for %{id: id} <- inserted, do: assert(%{tags: ["many"], meta: %{"of" => 25}} = in_state(id, "completed"))
  end

  test "a job that is to run later waits, and can be changed and deleted" do
    {:ok, job} = Oban.insert(__MODULE__.Oban, Worker.new(%{do: "succeed"}, schedule_in: 3_600, priority: 3))
    assert %{state: "scheduled", priority: 3} = job(job.id)

    assert {:ok, %{priority: 1}} = Oban.update_job(__MODULE__.Oban, job, %{priority: 1})
    assert :ok = Oban.delete_job(__MODULE__.Oban, job)
    assert job(job.id) == nil
  end

  test "cron" do
    send(Oban.Registry.whereis(__MODULE__.Oban, {:plugin, Oban.Plugins.Cron}), :evaluate)

    assert eventually(fn -> Enum.find(jobs(), &(&1.meta["cron"] and &1.state == "completed")) end)
  end

  test "jobs that have ended long ago are pruned" do
    old = run("succeed", "completed")
    Sekai.Jobs.repo().update!(Ecto.Changeset.change(old, scheduled_at: DateTime.add(DateTime.utc_now(), -61)))
    recent = run("succeed", "completed")

    send(Oban.Registry.whereis(__MODULE__.Oban, {:plugin, Oban.Plugins.Pruner}), :prune)

    eventually(fn -> job(old.id) == nil end)
    assert job(recent.id)
  end

  test "what is configured is what Oban takes: queues, plugins, and cron's workers with their options" do
    configured = :sekai |> Application.fetch_env!(Oban) |> Keyword.put(:testing, :disabled)

    assert %{queues: queues, plugins: plugins} = Oban.Config.new(configured)
    assert Keyword.has_key?(plugins, Sekai.Jobs.Lifeline)

    for {_expression, worker} <- Enum.map(plugins[Oban.Plugins.Cron][:crontab], &{elem(&1, 0), elem(&1, 1)}) do
      assert Keyword.has_key?(queues, worker.__opts__()[:queue])
    end
  end

  defp run(what, state) do
    {:ok, %{id: id}} = insert(what)
    in_state(id, state)
  end

  defp insert(what), do: Oban.insert(__MODULE__.Oban, Worker.new(%{do: what}))

  defp in_state(id, state), do: eventually(fn -> Enum.find([job(id)], &(&1.state == state)) end)

  defp job(id), do: Sekai.Jobs.repo().get(Oban.Job, id)
  defp jobs, do: Sekai.Jobs.repo().all(Oban.Job)
end
