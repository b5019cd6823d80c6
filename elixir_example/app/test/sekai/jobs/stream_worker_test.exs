defmodule Sekai.Jobs.StreamWorkerTest do
  use Sekai.DataCase, async: false
  use Oban.Testing, repo: Sekai.Repo

  import ExUnit.CaptureLog
  import Sekai.StreamFakes, only: [attach: 1]

  alias Sekai.Jobs.StreamWorker
  alias Sekai.Streams.{Crash, Cursor}

  @old ~U[2026-01-01 00:00:00.000000Z]

  defp running, do: DynamicSupervisor.count_children(Sekai.Streams.Supervisor).active

  # No worker runs in tests: every call is `:worker_down`, as in an outage.
  defp outage(count) do
    for n <- 1..count, do: interaction(user(), item(), %{time: DateTime.add(@old, n, :second)})
  end

  test "arguments become options" do
    {:ok, options} = StreamWorker.options(%{"limit" => 5, "until" => "2026-01-02T00:00:00Z"})
    assert options[:cursor] == "interactions" and options[:limit] == 5 and options[:newest_only]
    assert options[:until] == ~U[2026-01-02 00:00:00Z]

    {:ok, options} = StreamWorker.options(%{"stream" => "mine"})
    assert options[:cursor] == "mine"
    assert DateTime.diff(DateTime.utc_now(), options[:until]) in 5..6

    {:ok, options} = StreamWorker.options(%{"since" => "2026-01-02T00:00:00+01:00"})
    assert options[:cursor] == nil and options[:since] == ~U[2026-01-01 23:00:00Z]
  end

  test "arguments that are not as said cancel the job, and are named" do
    for {args, message} <- [
          {%{"limit" => 0}, ~S(expected "limit" to be a positive integer, got: 0)},
          {%{"since" => "yesterday"}, ~S(expected "since" to be a time as of ISO 8601, got: "yesterday")},
          {%{"stream" => ""}, ~S(expected "stream" to be a name, got: "")},
          {%{"from" => 1}, ~S(got: "from")}
        ] do
      assert {:cancel, reason} = perform_job(StreamWorker, args)
      assert reason =~ message
    end
  end

  test "a job where nothing has happened leaves nothing" do
    assert {:ok, %{events: 0, recommended: 0, dropped: 0, passed: 0, rows: 0}} = perform_job(StreamWorker, %{})
    assert Cursor.get("interactions") == nil
  end

  test "it has half an hour, or what it says, and goes to its queue" do
    assert StreamWorker.timeout(%Oban.Job{args: %{}}) == :timer.minutes(30)
    assert StreamWorker.timeout(%Oban.Job{args: %{"timeout_ms" => 100}}) == 100
    assert %{changes: %{queue: "streams", max_attempts: 5}} = StreamWorker.new(%{})
  end

  test "a job that is killed, as a cancel and a timeout do it, ends its pipeline" do
    outage(3)
    attach([:page])
    runner = spawn(fn -> perform_job(StreamWorker, %{}) end)
    for read <- [3, 0], do: assert_receive({:telemetry, :page, %{read: ^read}, _about}, 2_000)
    assert running() == 1
    Process.exit(runner, :kill)
    eventually(fn -> running() == 0 end)
    assert Cursor.get("interactions") == nil
  end

  test "an outage of the workers is its error, and the cursor stays" do
    quick(filter: [timeout: 300])
    outage(3)
    assert perform_job(StreamWorker, %{}) == {:error, "no worker answered for any of 3 events"}
    assert Cursor.get("interactions") == nil
  end

  test "an outage that goes on ends it before all has failed" do
    quick(filter: [timeout: 300, max_failures: 2])
    outage(5)

    capture_log(fn ->
      assert {:error, %Crash{} = crash} = perform_job(StreamWorker, %{})
      assert Exception.message(crash) =~ "no worker runs"
    end)
  end

  defp quick(settings) do
    Application.put_env(:sekai, Sekai.Streams.Pipeline, settings)
    on_exit(fn -> Application.delete_env(:sekai, Sekai.Streams.Pipeline) end)
  end
end
