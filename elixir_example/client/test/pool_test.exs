defmodule PortWorker.PoolTest do
  # Against workers that are told what to do; test/pool_worker_test.exs has real ones.
  use ExUnit.Case, async: true

  import PortWorker.Eventually

  alias PortWorker.{Error, Fake, OSProcess, Pool}

  doctest PortWorker.Pool

  defp start(more \\ []) do
    name = :"pool_#{System.unique_integer([:positive])}"
    options = Fake.options("normal", [name: name, workers: 2, drain_timeout: 0] ++ more)
    start_supervised!({Pool, options}, id: name)
    name
  end

  defp start_ready(more \\ []) do
    pool = start(more)
    assert Pool.await_ready(pool) == :ok
    pool
  end

  defp in_flight(pool), do: Enum.map(Pool.workers(pool), & &1.in_flight)
  defp states(pool), do: Enum.map(Pool.workers(pool), & &1.state)
  defp os_pids(pool), do: Enum.map(Pool.workers(pool), &Fake.os_pid(&1.pid))
  defp kill(os_pid), do: {_, 0} = System.cmd("/bin/sh", ["-c", "kill -9 #{os_pid}"])

  # Calls that are never answered, one after the other, so that each sees those before.
  defp occupy(pool, count) do
    for _ <- 1..count do
      before = Enum.sum(in_flight(pool))
      call = Task.async(fn -> PortWorker.recommend(pool, "silence", timeout: :infinity) end)
      assert eventually(fn -> Enum.sum(in_flight(pool)) == before + 1 end)
      call
    end
  end

  # Callers that ask again and again until they are told to stop, and then tell what they were answered.
  defp load(pool, callers) do
    for number <- 1..callers, do: Task.async(fn -> ask(pool, number, %{}) end)
  end

  defp ask(pool, number, answers) do
    answer = with {:ok, %{items: [{^number, 1.0}]}} <- PortWorker.recommend(pool, number), do: :ok
    answers = Map.update(answers, answer, 1, &(&1 + 1))

    receive do
      :stop -> answers
    after
      0 -> ask(pool, number, answers)
    end
  end

  defp answers(callers) do
    for caller <- callers, do: send(caller.pid, :stop)
    callers |> Task.await_many(30_000) |> Enum.reduce(&Map.merge(&1, &2, fn _, a, b -> a + b end))
  end

  test "options are checked, the workers' too" do
    refuse = fn options, message ->
      options = Keyword.merge([name: Shop, workers: 2, command: "sh"], options)
      assert_raise ArgumentError, message, fn -> Pool.start_link(options) end
      assert_raise ArgumentError, message, fn -> Pool.child_spec(options) end
    end

    refuse.([name: nil], "expected :name to be an atom, got: nil")
    refuse.([workers: nil], "expected :workers to be a positive integer, got: nil")
    refuse.([max_restarts: -1], "expected :max_restarts to be a non-negative integer, got: -1")
    refuse.([max_seconds: 0], "expected :max_seconds to be a positive integer, got: 0")
    refuse.([max_in_flight: 0], "expected :max_in_flight to be a positive integer, got: 0")
    refuse.([colour: :red], ~r/^unknown option :colour/)
    assert %{id: Shop, type: :supervisor} = Pool.child_spec(name: Shop, workers: 1, command: "sh")

    assert_raise ArgumentError, ~r/^expected the name of a running PortWorker.Pool/, fn ->
      Pool.workers(Shop)
    end

    assert {:error, %Error{code: :worker_down}} = PortWorker.ping(Shop)
  end

  test "calls go to the worker that has the fewest, and wait where none is ready yet" do
    pool = start()
    assert {:ok, :pong} = PortWorker.ping(pool)
    assert Pool.await_ready(pool) == :ok
    assert states(pool) == [:ready, :ready]

    calls = occupy(pool, 6)
    assert in_flight(pool) == [3, 3]

    # Each of its own worker's is answered, however busy the others are.
    for number <- 1..50, do: assert({:ok, %{items: [{^number, 1.0}]}} = PortWorker.recommend(pool, number))
    assert in_flight(pool) == [3, 3]

    for call <- calls, do: Task.shutdown(call, :brutal_kill)
    assert eventually(fn -> in_flight(pool) == [0, 0] end)
  end

  test "calls that are over count no more: answered, refused, too late or raising" do
    pool = start_ready()
    assert {:ok, _} = PortWorker.recommend(pool, 1)
    assert {:error, %Error{code: :deadline_exceeded}} = PortWorker.recommend(pool, "silence", timeout: 20)
    assert {:error, %Error{code: :invalid_argument}} = PortWorker.recommend(pool, self())
    assert catch_error(PortWorker.retrain(pool, on_progress: fn _ -> raise "mine" end))
    assert in_flight(pool) == [0, 0]
    assert Process.info(self(), :messages) == {:messages, []}
  end

  test "it is waited for, and is ready, as a worker is" do
    pool = start()
    assert {:ok, %{protocol: 1, ops: [_ | _]}} = PortWorker.await_ready(pool)
    assert states(pool) == [:ready, :ready]
    assert PortWorker.ready?(pool)
    assert {:ok, %{phase: :ready}} = PortWorker.info(pool)
    assert stop_supervised(pool) == :ok
    assert {:error, %Error{code: :worker_down}} = PortWorker.await_ready(pool, 10)
    refute PortWorker.ready?(pool)
  end

  test "a call is cancelled by its reference, at whichever worker it is" do
    pool = start_ready()
    ref = make_ref()
    call = Task.async(fn -> PortWorker.recommend(pool, "silence", timeout: :infinity, ref: ref) end)
    assert eventually(fn -> Enum.sum(in_flight(pool)) == 1 end)
    assert PortWorker.cancel(pool, ref) == :ok
    assert {:error, %Error{code: :cancelled}} = Task.await(call)
  end

  test "when a worker is killed its callers are told, and those of the other notice nothing" do
    pool = start_ready()
    calls = occupy(pool, 6)
    callers = load(pool, 4)
    [victim, _other] = os_pids(pool)
    kill(victim)

    # Three of the six had the dead worker. The other three still wait.
    assert eventually(fn -> Enum.count(calls, &(not Process.alive?(&1.pid))) == 3 end)
    {told, waiting} = Enum.split_with(calls, &(not Process.alive?(&1.pid)))

    for answer <- Task.await_many(told),
        do: assert({:error, %Error{code: :worker_down, retryable?: true}} = answer)

    assert Pool.await_ready(pool) == :ok
    assert Enum.all?(waiting, &Process.alive?(&1.pid))

    # Of the callers that ask again and again, each may have lost one call that was at the dead worker.
    {ok, told} = callers |> answers() |> Map.pop(:ok)
    assert ok > 0
    assert Enum.all?(Map.keys(told), &match?({:error, %Error{code: :worker_down, retryable?: true}}, &1))
    refute victim in os_pids(pool)
    assert {:ok, _} = PortWorker.recommend(pool, 1)
    for call <- waiting, do: Task.shutdown(call, :brutal_kill)
  end

  test "restart replaces one worker after the other, and no call is refused meanwhile" do
    pool = start_ready(workers: 3)
    before = os_pids(pool)
    callers = load(pool, 4)
    watcher = Task.async(fn -> fewest_ready(pool, 3) end)

    assert {:ok, %{completed: _}} = Pool.restart(pool)
    send(watcher.pid, :stop)
    assert Task.await(watcher) >= 2
    assert [:ok] = callers |> answers() |> Map.keys()
    assert states(pool) == [:ready, :ready, :ready]
    assert before -- os_pids(pool) == before
    refute Enum.any?(before, &OSProcess.alive?/1)
  end

  defp fewest_ready(pool, fewest) do
    fewest = min(fewest, Enum.count(Pool.workers(pool), &(&1.state == :ready)))

    receive do
      :stop -> fewest
    after
      1 -> fewest_ready(pool, fewest)
    end
  end

  test "restart begins with those that do not answer" do
    pool = start_ready(workers: 3)
    [first | others] = Pool.workers(pool)
    table = PortWorker.Route.fetch!(pool, Pool)
    for %{pid: pid} <- others, do: :ok = Pool.Keeper.set_aside(table, pid)
    assert states(pool) == [:ready, :draining, :draining]

    watcher = Task.async(fn -> fewest_ready(pool, 3) end)
    assert {:ok, %{completed: 0}} = Pool.restart(pool)
    send(watcher.pid, :stop)
    assert Task.await(watcher) == 1
    assert states(pool) == [:ready, :ready, :ready]
    refute Process.alive?(first.pid)
  end

  test "restart goes on without its caller, one at a time" do
    pool = start_ready()
    before = os_pids(pool)
    test = self()

    caller =
      spawn(fn ->
        send(test, :begins)
        Pool.restart(pool)
      end)

    assert_receive :begins
    assert eventually(fn -> :draining in states(pool) or length(states(pool)) == 1 end)
    assert {:error, %Error{code: :swap_in_progress, retryable?: true}} = Pool.restart(pool)
    assert {:error, %Error{code: :swap_in_progress}} = PortWorker.activate(pool, "v")
    Process.exit(caller, :kill)

    assert eventually(fn -> states(pool) == [:ready, :ready] and before -- os_pids(pool) == before end)
    assert eventually(fn -> match?({:ok, _}, Pool.restart(pool)) end)
  end

  test "one training at a time" do
    pool = start_ready()
    {test, ref} = {self(), make_ref()}
    training = Task.async(fn -> PortWorker.retrain(pool, ref: ref, on_progress: {test, ref}) end)
    assert_receive {^ref, {:progress, _}}, 5_000

    assert {:error, %Error{code: :training_in_progress, retryable?: true}} = PortWorker.retrain(pool)
    assert PortWorker.cancel(pool, ref) == :ok
    assert {:error, %Error{code: :cancelled}} = Task.await(training)
    assert {:ok, {:retrain, _}} = PortWorker.retrain(pool, params: [epochs: 1])

    training = PortWorker.retrain_async(pool)
    assert_receive {ref, {:progress, _}} when ref == training.ref, 5_000
    assert PortWorker.cancel(training) == :ok
    assert {:error, %Error{code: :cancelled}} = PortWorker.Training.await(training)
    assert in_flight(pool) == [0, 0]
  end

  test "draining sends a caller that traps exits no message" do
    pool = start_ready()
    Process.flag(:trap_exit, true)
    assert {:ok, %{completed: 0}} = PortWorker.drain(pool)
    assert Process.info(self(), :messages) == {:messages, []}
  end

  test "what is not in time is told: a worker that does not boot, and a pool that has ended" do
    name = :"pool_#{System.unique_integer([:positive])}"
    start_supervised!({Pool, Fake.options("silent_at_boot", name: name, workers: 2)})
    assert {:error, %Error{code: :deadline_exceeded, message: message}} = Pool.await_ready(name, 20)
    assert message =~ "not ready yet: 1, 2"
    assert_raise ArgumentError, ~r/^expected a timeout in/, fn -> Pool.await_ready(name, -1) end

    os_pids = os_pids(name)
    assert PortWorker.stop(name) == :ok
    refute Enum.any?(os_pids, &OSProcess.alive?/1)
  end

  test "without its keeper a pool goes on, and the next one knows the workers" do
    pool = start_ready()
    before = os_pids(pool)
    keeper = Process.whereis(pool)
    Process.exit(keeper, :kill)
    assert {:ok, _} = PortWorker.recommend(pool, 1)

    assert eventually(fn -> Process.whereis(pool) not in [nil, keeper] end)
    assert Pool.await_ready(pool) == :ok
    assert os_pids(pool) == before
  end

  test "a pool that is taken for a worker, by its pid, says so" do
    pool = start_ready()
    assert {:error, %Error{code: :worker_down, message: message}} = PortWorker.ping(Process.whereis(pool))
    assert message =~ "is called by its name, on its own node"
    PortWorker.cancel(Process.whereis(pool), make_ref())
    keeper = Process.whereis(pool)
    assert {:error, %Error{code: :worker_down}} = PortWorker.info(keeper)
    refute PortWorker.ready?(keeper)
    assert Process.whereis(pool) == keeper
    assert {:ok, :pong} = PortWorker.ping(pool)
  end
end
