defmodule Sekai.RunnersTest do
  use Sekai.RunnerCase, async: false

  alias PortWorker.{Error, Fleet}
  alias Sekai.{Recommender, Runners}
  alias Sekai.Runners.LoopbackBackend.Machine

  @options [boot_timeout: 30_000, report_every: 100, price_per_hour: 3.6]
  # Never grows or shrinks of its own.
  @still [fleet: [grow_after: 3_600_000, idle_shutdown_after: 3_600_000]]

  defp attach(events) do
    test = self()
    handler = make_ref()
    forward = fn event, measured, about, _config -> send(test, {:told, event, measured, about}) end
    :ok = :telemetry.attach_many(handler, events, forward, nil)
    on_exit(fn -> :telemetry.detach(handler) end)
  end

  # Asks all the time until it is told to stop; answers how often it was answered what.
  defp load(callers), do: for(number <- 1..callers, do: Task.async(fn -> ask(number, %{}) end))

  defp ask(number, answers) do
    answer =
      case PortWorker.recommend(Recommender, number, timeout: 2_000) do
        {:ok, %{items: [{^number, 1.0}]}} -> :ok
        {:error, %Error{code: code, retryable?: true}} -> code
      end

    answers = Map.update(answers, answer, 1, &(&1 + 1))

    receive do
      :stop -> answers
    after
      5 -> ask(number, answers)
    end
  end

  defp answers(callers) do
    for caller <- callers, do: send(caller.pid, :stop)
    callers |> Task.await_many(30_000) |> Enum.reduce(&Map.merge(&1, &2, fn _answer, a, b -> a + b end))
  end

  # A call that is never answered. It has been made when this returns: its process waits.
  defp occupy(server) do
    call = Task.async(fn -> PortWorker.recommend(server, "silence", timeout: :infinity) end)
    eventually(fn -> Process.info(call.pid, :status) == {:status, :waiting} end)
    call
  end

  defp ready, do: for(%{state: :ready} = lease <- Fleet.leases(Recommender), do: lease)
  defp now, do: System.monotonic_time(:millisecond)

  test "on this node, by FLAME's local backend" do
    start_fleet(@options ++ @still ++ [backend: FLAME.LocalBackend])
    assert {:ok, %{items: [{7, 1.0}]}} = PortWorker.recommend(Recommender, 7)
    assert [%{node: node}] = ready()
    assert node == node()
    [worker] = worker_pids()
    stop_supervised!(Recommender)
    stop_supervised!(Runners)
    refute alive?(worker)
  end

  test "on other BEAMs, of which none is left when it stops", %{dir: dir} do
    attach([[:sekai, :runners, :boot]])
    start_fleet(@options ++ @still ++ [backend: loopback(dir), min: 2])
    assert {:ok, %{items: [{7, 1.0}]}} = PortWorker.recommend(Recommender, 7)
    eventually(fn -> length(ready()) == 2 end)
    assert [first, second] = for(%{node: node} <- ready(), do: node)
    assert first != second and node() not in [first, second]

    pool = Runners.pool()
    assert_receive {:told, [:sekai, :runners, :boot], %{duration: duration}, %{pool: ^pool, result: :ok}}
    assert System.convert_time_unit(duration, :native, :millisecond) in 1..30_000

    workers = worker_pids()
    runners = runner_pids()
    assert length(workers) == 2 and length(runners) == 2
    stop_supervised!(Recommender)
    stop_supervised!(Runners)
    refute Enum.any?(workers ++ runners, &alive?/1)
    assert File.ls!(dir) == []
  end

  @tag :capture_log
  test "when a runner is killed under load no caller dies, all are told, and another one comes", %{dir: dir} do
    start_fleet(@options ++ @still ++ [backend: loopback(dir), min: 2])
    eventually(fn -> length(ready()) == 2 end)
    pool = Process.whereis(Runners.pool())
    callers = load(8)

    times =
      for _ <- 1..3 do
        # One in flight at each worker, surely, which nobody will answer.
        calls = for %{name: lease} <- ready(), do: occupy(lease)
        %{os_pid: victim} = Enum.random(Machine.list())
        workers = worker_pids()
        at = now()
        kill(victim)
        told = eventually(fn -> Enum.find_value(calls, &Task.yield(&1, 0)) end)
        assert {:ok, {:error, %Error{code: :worker_down, retryable?: true}}} = told
        told_ms = now() - at
        eventually(fn -> length(ready()) == 2 and victim not in runner_pids() end)
        placed_ms = now() - at
        for call <- calls, do: Task.shutdown(call, :brutal_kill)

        # Of the workers that were there one is left, and nothing of the other.
        eventually(fn -> Enum.count(workers, &alive?/1) == 1 end)
        {told_ms, placed_ms}
      end

    assert %{ok: answered} = answers = answers(callers)
    assert answered > 100
    assert Map.keys(answers) -- [:ok, :worker_down] == []
    assert Process.whereis(Runners.pool()) == pool
    assert Enum.all?(times, fn {told, placed} -> told < 1_000 and placed < 20_000 end), inspect(times)
  end

  test "as many as the load needs, and no more", %{dir: dir} do
    scaling = [fleet: [capacity: 4, grow_at: 0.7, grow_after: 300, idle_shutdown_after: 500]]
    start_fleet(@options ++ scaling ++ [backend: loopback(dir), max: 2, idle_shutdown_after: 200])
    assert [_one] = ready()
    calls = for _ <- 1..6, do: occupy(Recommender)
    eventually(fn -> length(ready()) == 2 end)
    assert length(runner_pids()) == 2

    for call <- calls, do: Task.shutdown(call, :brutal_kill)
    eventually(fn -> length(Fleet.leases(Recommender)) == 1 end)
    # The runner goes, too: nobody pays for it any more.
    eventually(fn -> length(runner_pids()) == 1 end)
    assert {:ok, %{items: [{7, 1.0}]}} = PortWorker.recommend(Recommender, 7)
  end

  test "use and cost are told, of runners that run and of what they answer", %{dir: dir} do
    attach([[:sekai, :runners, :usage], [:sekai, :runners, :total]])
    start_fleet(@options ++ @still ++ [backend: loopback(dir)])
    for number <- 1..10, do: assert({:ok, _} = PortWorker.recommend(Recommender, number))
    assert {:error, %Error{}} = PortWorker.recommend(Recommender, "silence", timeout: 10)
    call = occupy(Recommender)

    assert {%{runners: 1, in_flight: 1, recommendations: 0} = usage, _about} =
             await_told(:usage, &(&1.busy == 1.0 and &1.recommendations == 0))

    assert_in_delta usage.utilisation, 1 / 64, 1.0e-6
    # The price is one thousandth a second.
    assert_in_delta usage.cost, usage.runner_seconds / 1_000, 1.0e-6

    assert {%{recommendations: 10} = total, %{pool: pool}} = await_told(:total, &(&1.recommendations == 10))
    assert pool == Runners.pool()
    assert total.runner_seconds > 0
    assert_in_delta total.cost_per_1000, total.cost * 100, 1.0e-6
    Task.shutdown(call, :brutal_kill)
  end

  defp await_told(event, fits?) do
    receive do
      {:told, [:sekai, :runners, ^event], measured, about} ->
        if fits?.(measured), do: {measured, about}, else: await_told(event, fits?)
    after
      30_000 -> flunk("no such event")
    end
  end

  @tag :worker
  @tag :capture_log
  test "real workers, each with a home of its own, serve what one of them has trained; so does one that comes later",
       %{dir: dir} do
    worker = [
      command: worker_command(),
      # In the runner's folder.
      args: ["--home", "home"],
      env: [
        {"PORT_WORKER_SOURCE", interactions(dir)},
        {"PORT_WORKER_STORE", Path.join(dir, "store")},
        {"PORT_WORKER_WATCH_SECONDS", "0.2"}
      ],
      boot_timeout: 60_000,
      stderr: :debug
    ]

    runners = Path.join(dir, "runners")
    start_fleet(@options ++ @still ++ [backend: loopback(runners), min: 2], worker)
    eventually(fn -> length(ready()) == 2 end)
    assert {:error, %Error{code: :no_model}} = PortWorker.recommend(Recommender, 1)
    assert {:ok, %{version: version}} = PortWorker.retrain(Recommender, algorithm: "ALS", timeout: 120_000)
    eventually(fn -> Enum.all?(ready(), &serves?(&1.name, version)) end)
    assert length(Path.wildcard(Path.join(runners, "*/home"))) == 2

    kill(Enum.random(runner_pids()))
    eventually(fn -> length(ready()) == 1 end)
    eventually(fn -> length(ready()) == 2 and Enum.all?(ready(), &serves?(&1.name, version)) end)
  end

  # Two groups of users, each of which likes what the others of it do.
  defp interactions(dir) do
    rows =
      for user <- 1..60, item <- 1..20, rem(user, 2) == rem(item, 2), rem(user * item, 7) != 0 do
        "#{user},#{item},1,#{1_700_000_000 + user * 100 + item}\n"
      end

    file = Path.join(dir, "interactions.csv")
    File.write!(file, ["user,item,label,time\n" | rows])
    file
  end

  defp serves?(lease, version) do
    match?({:ok, %{model: ^version}}, PortWorker.recommend(lease, "newcomer", timeout: 1_000))
  end

  test "a mistaken option is said" do
    assert_raise ArgumentError, ~r/unknown keys \[:maximum\]/, fn -> Runners.options(maximum: 3) end
  end
end
