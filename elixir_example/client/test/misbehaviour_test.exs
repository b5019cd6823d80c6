defmodule PortWorker.MisbehaviourTest do
  # Whatever a worker does: each caller is told, by the error that fits, the connection holds little, and no process of
  # the worker's is left.
  use ExUnit.Case, async: true

  import PortWorker.Eventually

  alias PortWorker.{Calls, Error, Flow, Liveness, Options, OSProcess, Peak, Rude}

  @moduletag timeout: 120_000

  # A connection is some kilobytes; what a flood makes of it until it is noticed is a multiple, and no more.
  @bytes 64 * 1_048_576
  @messages 100_000

  defp recommend(server, user, options \\ []), do: PortWorker.recommend(server, user, options)
  defp empty?(server), do: match?({:ok, %{in_flight: 0, waiting: 0}}, PortWorker.info(server))

  # The deed ends the connection with `code`: he who did it and whoever else waits are told, and the worker is gone.
  defp assert_ends(server, codes, deed) do
    {:ok, %{os_pid: os_pid}} = PortWorker.await_ready(server)
    bystanders = for _ <- 1..3, do: Task.async(fn -> recommend(server, "silent", timeout: :infinity) end)
    await_in_flight(server, 3)
    monitor = Process.monitor(server)
    peak = Peak.watch(server)

    with answer when answer != :none <- deed.(server) do
      assert {:error, %Error{code: code, retryable?: true}} = answer
      assert code in codes
    end

    for {:error, error} <- Task.await_many(bystanders), do: assert(error.code in codes)
    assert_receive {:DOWN, ^monitor, :process, _pid, %Error{code: reason}}, 5_000
    assert reason in codes
    refute OSProcess.alive?(os_pid)
    assert_bounded(peak)
    assert Process.info(self(), :messages) == {:messages, []}
  end

  defp assert_bounded(peak) do
    seen = Peak.seen(peak)
    assert seen.queue < @messages
    assert seen.bytes < @bytes
  end

  defp await_in_flight(server, count) do
    assert eventually(fn -> match?({:ok, %{in_flight: ^count}}, PortWorker.info(server)) end)
  end

  describe "a frame that is none" do
    for user <- ["garbage", "cut", "trailing", "atom", "oversized", "wrong id"] do
      test "(#{user}) ends the worker" do
        assert_ends(Rude.start(), [:malformed_frame], &recommend(&1, unquote(user)))
      end
    end

    test "is found in an answer that comes too late, too" do
      for user <- ["cut", "trailing"] do
        server = Rude.start()
        {:ok, %{os_pid: os_pid}} = PortWorker.await_ready(server)
        monitor = Process.monitor(server)
        signal(os_pid, "STOP")
        assert {:error, %Error{code: :deadline_exceeded}} = recommend(server, user, timeout: 20)
        signal(os_pid, "CONT")
        assert_receive {:DOWN, ^monitor, :process, _pid, %Error{code: :malformed_frame}}, 5_000
        stop_supervised(PortWorker)
      end
    end

    test "is announced, and never comes: callers are told in time, and the worker is found to hang" do
      server = Rude.start("{}", hang_after: 300)
      assert_ends(server, [:worker_hung], &recommend(&1, "announced", timeout: :infinity))
    end

    test "in place of a hello ends it as well" do
      for boot <- ["garbage", "oversized", "answer"] do
        server = Rude.start(~s({"boot": "#{boot}"}))
        assert {:error, %Error{code: :malformed_frame}} = PortWorker.ping(server)
        stop_supervised(PortWorker)
      end
    end

    test "before the hello, by a library that prints, is a silence" do
      server = Rude.start(~s({"boot": "print"}), boot_timeout: 500)
      assert {:error, %Error{code: :boot_timeout}} = PortWorker.ping(server)
    end
  end

  describe "an answer" do
    test "that comes twice is taken once" do
      server = Rude.start()
      assert {:ok, %{items: [{"twice", 1.0}]}} = recommend(server, "twice")
      assert {:ok, :pong} = PortWorker.ping(server)
      assert empty?(server)
      assert Process.info(self(), :messages) == {:messages, []}
    end

    test "that comes late reaches nobody, and frees its credit" do
      server = Rude.start("{}", max_in_flight: 1)
      {:ok, _} = PortWorker.await_ready(server)
      assert {:error, %Error{code: :deadline_exceeded}} = recommend(server, "late", timeout: 20)
      assert {:ok, %{items: [{"next", 1.0}]}} = recommend(server, "next")
      assert empty?(server)
      assert Process.info(self(), :messages) == {:messages, []}
    end

    test "that never comes costs its caller the timeout, and others nothing; its credit is freed in the end" do
      server = Rude.start("{}", max_in_flight: 1, hang_after: 200)
      {:ok, _} = PortWorker.await_ready(server)
      assert {:error, %Error{code: :deadline_exceeded}} = recommend(server, "silent", timeout: 20)
      assert {:ok, %{in_flight: 1}} = PortWorker.info(server)
      assert {:ok, %{items: [{"next", 1.0}]}} = recommend(server, "next")
      assert empty?(server)
    end

    test "that is slow is waited for, by those behind it as well" do
      server = Rude.start("{}", max_in_flight: 1)
      users = ["slow", "slow", "quick"]
      answers = users |> Task.async_stream(&recommend(server, &1), ordered: true) |> Enum.to_list()
      assert for({:ok, {:ok, %{items: [{user, 1.0}]}}} <- answers, do: user) == users
    end
  end

  describe "a worker that hangs" do
    test "is killed" do
      server = Rude.start("{}", hang_after: 300)
      assert_ends(server, [:worker_hung], &recommend(&1, "hang", timeout: :infinity))
    end

    test "since its output is closed is killed" do
      server = Rude.start("{}", hang_after: 300)
      assert_ends(server, [:worker_hung], &recommend(&1, "shut out", timeout: :infinity))
    end

    test "with its pipe full is killed; nobody waits past the timeout, and the queue is bounded" do
      server = Rude.start("{}", hang_after: 1_000, max_in_flight: 1_000, max_queue: 20)
      {:ok, %{os_pid: os_pid}} = PortWorker.await_ready(server)
      monitor = Process.monitor(server)
      peak = Peak.watch(server)
      hang = Task.async(fn -> recommend(server, "hang", timeout: :infinity) end)
      await_in_flight(server, 1)

      ids = List.duplicate(String.duplicate("x", 200), 1_000)

      codes =
        1..100
        |> Enum.map(fn _ -> Task.async(fn -> recommend(server, 1, exclude: ids, timeout: 300) end) end)
        |> Task.await_many()
        |> Enum.frequencies_by(fn {:error, error} -> error.code end)

      # Some fit into the pipe, 20 wait, the others are refused.
      assert %{overloaded: refused, deadline_exceeded: given_up} = codes
      assert refused + given_up == 100 and refused >= 70 and given_up >= 20

      assert {:error, %Error{code: :worker_hung}} = Task.await(hang)
      assert_receive {:DOWN, ^monitor, :process, _pid, %Error{code: :worker_hung}}, 5_000
      refute OSProcess.alive?(os_pid)
      assert_bounded(peak)
    end

    test "is left alone where it may" do
      server = Rude.start("{}", hang_after: :infinity)
      assert {:ok, :pong} = PortWorker.ping(server)
      send(server, :probe)
      # It was not pinged: the next id is that of the next call.
      assert %{liveness: %{id: nil}, flow: %{calls: %{next_id: 1}}} = :sys.get_state(server)
    end

    test "for ever does not keep the credits of calls that were given up" do
      now = System.monotonic_time(:millisecond)
      calls = %Calls{given_up: %{0 => now - 31_000, 1 => now}}
      flow = %{Flow.new(self(), Options.validate!(command: "/bin/sh")) | calls: calls}
      {liveness, flow} = :infinity |> Liveness.new() |> Liveness.probe(flow)
      assert Flow.info(flow).in_flight == 1
      # It will look again.
      assert Process.cancel_timer(liveness.timer) in 1..15_000
    end

    test "for less than hang_after goes on" do
      server = Rude.start("{}", hang_after: 400)
      assert {:ok, _} = recommend(server, "slow")
      # It has been pinged by then, more than once.
      probes = fn -> :sys.get_state(server).flow.calls.next_id end
      assert eventually(fn -> probes.() > 3 end)
      assert {:ok, _} = recommend(server, "slow")
    end
  end

  describe "a full pipe" do
    test "is waited for, in the queue, until it is read" do
      server = Rude.start("{}", max_in_flight: 100, max_queue: 100)
      {:ok, %{os_pid: os_pid}} = PortWorker.await_ready(server)
      ids = List.duplicate(String.duplicate("x", 200), 1_000)
      signal(os_pid, "STOP")
      calls = for user <- 1..20, do: Task.async(fn -> recommend(server, user, exclude: ids) end)

      assert eventually(fn ->
               match?({:ok, %{waiting: waiting}} when waiting > 10, PortWorker.info(server))
             end)

      signal(os_pid, "CONT")

      found = for {:ok, %{items: [{user, 1.0}]}} <- Task.await_many(calls), do: String.to_integer(user)
      assert found == Enum.to_list(1..20)
      assert empty?(server)
    end
  end

  describe "a flood" do
    for user <- ["events", "progress", "answers"] do
      test "of #{user} ends the worker before it fills the node" do
        # Its own answer may be among the flood.
        deed = fn server ->
          with {:ok, _} <- recommend(server, unquote(user), timeout: :infinity), do: :none
        end

        assert_ends(Rude.start(), [:flooded], deed)
      end
    end

    test "is not made by some events" do
      server = Rude.start()
      for _ <- 1..5, do: assert({:ok, _} = recommend(server, "some events"))
      assert {:ok, %{facts: %{model: %{version: "v1"}}}} = PortWorker.info(server)
    end
  end

  describe "an exit" do
    for {phase, status} <- [{"exit", 3}, {"half", 3}] do
      test "in the boot (#{phase}) is told with its status" do
        server = Rude.start(~s({"boot": "#{unquote(phase)}"}))
        calls = for _ <- 1..10, do: Task.async(fn -> PortWorker.ping(server) end)

        for {:error, error} <- Task.await_many(calls) do
          assert error.code == :worker_down
          assert error.details in [%{"exit_status" => unquote(status)}, %{}]
        end

        assert {:error, %Error{code: :worker_down}} = PortWorker.await_ready(server)
      end
    end

    test "right after the hello" do
      server = Rude.start(~s({"boot": "exit_after"}))
      assert {:error, %Error{code: :worker_down}} = recommend(server, "silent", timeout: :infinity)
    end

    for {name, user} <- [{"at a call", "exit"}, {"within an answer", "half"}] do
      test "#{name}" do
        assert_ends(Rude.start(), [:worker_down], &recommend(&1, unquote(user)))
      end
    end

    test "that is none: it has closed its input, and is found so by what is written next" do
      deed = fn server ->
        shut = Task.async(fn -> recommend(server, "shut in", timeout: :infinity) end)
        await_in_flight(server, 4)
        # What is written before the worker has come to it is lost with it.
        assert eventually(fn ->
                 match?({:error, %Error{code: :worker_down}}, PortWorker.ping(server, timeout: 20))
               end)

        Task.await(shut)
      end

      assert_ends(Rude.start(), [:worker_down], deed)
    end

    test "within a training" do
      assert_ends(Rude.start(), [:worker_down], &PortWorker.retrain(&1, algorithm: "exit"))

      start = fn server ->
        server |> PortWorker.retrain_async(algorithm: "exit") |> PortWorker.await_retrain()
      end

      stop_supervised(PortWorker)
      assert_ends(Rude.start(), [:worker_down], start)
    end

    test "within a drain" do
      assert_ends(Rude.start(~s({"boot": "exit_at_drain"})), [:worker_down], &PortWorker.drain/1)
    end

    test "while it is stopped" do
      server = Rude.start("{}", drain_timeout: 60_000)
      {:ok, %{os_pid: os_pid}} = PortWorker.await_ready(server)
      call = Task.async(fn -> recommend(server, "silent", timeout: :infinity) end)
      await_in_flight(server, 1)
      stop = Task.async(fn -> PortWorker.stop(server) end)

      assert eventually(fn ->
               Process.info(server, :current_function) != {:current_function, {:gen_server, :loop, 7}}
             end)

      signal(os_pid, "KILL")
      assert Task.await(stop) == :ok
      assert {:error, %Error{code: :worker_down}} = Task.await(call)
      refute OSProcess.alive?(os_pid)
    end
  end

  defp signal(os_pid, name), do: {_, 0} = System.cmd("/bin/sh", ["-c", "kill -#{name} #{os_pid}"])
end
