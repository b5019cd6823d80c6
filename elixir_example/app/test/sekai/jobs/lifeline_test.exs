defmodule Sekai.Jobs.LifelineTest do
  use Sekai.DataCase, async: false

  import Sekai.Eventually

  alias Sekai.Jobs.Lifeline

  defmodule Worker do
    use Oban.Worker, queue: :lifeline

    @impl Oban.Worker
    def perform(_job) do
      send(Sekai.Jobs.LifelineTest, {:runs, self()})
      receive(do: (:end -> :ok))
    end
  end

  @dead "7a0f1f3c-1d7e-4b5e-9a55-1f6d4b6f2b10"
  @alive "b7d6e1b2-94c5-45c1-8f0d-6a2f5c1b8e21"

  setup do
    Process.register(self(), __MODULE__)
    :ok
  end

  test "brings back a dead node's jobs, discards those in their last attempt, and leaves the others" do
    orphan = executing(@dead, attempt: 1)
    last = executing(@dead, attempt: 20)
    others = executing(@alive, attempt: 1)
    {1, nil} = heard(@alive, DateTime.add(DateTime.utc_now(), 3_600))

    start_oban([])

    eventually(fn -> state(orphan) == "available" end)
    eventually(fn -> state(last) == "discarded" end)
    assert state(others) == "executing"
  end

  test "leaves what its own node runs, however long" do
    start_oban(lifeline: 1)
    {:ok, job} = Oban.insert(__MODULE__.Oban, Worker.new(%{}))
    assert_receive {:runs, pid}, 5_000
    orphan = executing(@dead, attempt: 1)

    # By when it is brought back, this one has run for as long.
    eventually(fn -> state(orphan) in ~w(available executing) and state(orphan) != "executing" end)
    assert %{state: "executing", attempt: 1} = Sekai.Jobs.repo().get!(Oban.Job, job.id)

    send(pid, :end)
    eventually(fn -> state(job) == "completed" end)
  end

  test "waits until it was itself heard of for as long" do
    orphan = executing(@dead, attempt: 1)

    start_oban([], rescue_after: 60_000)

    plugin = Oban.Registry.whereis(__MODULE__.Oban, {:plugin, Lifeline})
    # Its beats are messages to itself: two of them are done before this is answered.
    send(plugin, :beat)
    send(plugin, :beat)
    assert %{heard_since: since} = :sys.get_state(plugin)
    assert is_integer(since)
    assert state(orphan) == "executing"
  end

  test "says what is wrong with its options" do
    assert {:error, message} = Lifeline.validate(rescue_after: 0)
    assert message =~ "rescue_after"
    assert :ok = Lifeline.validate(interval: 1_000, rescue_after: 5_000)
  end

  defp start_oban(queues, options \\ []) do
    start_supervised!(
      {Oban,
       name: __MODULE__.Oban,
       repo: Sekai.Jobs.repo(),
       notifier: Oban.Notifiers.Isolated,
       peer: Oban.Peers.Isolated,
       queues: queues,
       stage_interval: 50,
       plugins: [{Lifeline, Keyword.merge([interval: 20, rescue_after: 300], options)}]}
    )
  end

  defp executing(queue, options) do
    long_ago = DateTime.add(DateTime.utc_now(), -3_600)

    Sekai.Jobs.repo().insert!(%Oban.Job{
      worker: inspect(Worker),
      queue: "elsewhere",
      args: %{},
      priority: 0,
      state: "executing",
      attempt: options[:attempt],
      attempted_at: long_ago,
      attempted_by: ["gone", queue],
      scheduled_at: long_ago,
      inserted_at: long_ago
    })
  end

  defp heard(queue, time), do: Sekai.Jobs.repo().insert_all("oban_producers", [%{uuid: queue, seen_at: time}])

  defp state(job), do: Sekai.Jobs.repo().get!(Oban.Job, job.id).state
end
