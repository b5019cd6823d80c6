defmodule PortWorker.ConnectionTest do
  # Against workers that misbehave; test/worker_test.exs has the real one.
  use ExUnit.Case, async: true

  import PortWorker.Eventually

  alias PortWorker.{Call, Error, Fake, OSProcess}

  defp recommend(server, user, options \\ []), do: PortWorker.recommend(server, user, options)

  # Asserts that the connection ends with `code`, that its callers are told so, and that the worker is gone.
  defp assert_ends(server, code, call) do
    # A call that the worker never answers shows that all are told, not just the one at fault.
    bystander = Task.async(fn -> recommend(server, "silence", timeout: :infinity) end)
    assert {:ok, :pong} = PortWorker.ping(server)
    os_pid = Fake.os_pid(server)
    monitor = Process.monitor(server)

    assert {:error, %Error{code: ^code}} = call.(server)
    assert {:error, %Error{code: ^code}} = Task.await(bystander)
    assert_receive {:DOWN, ^monitor, :process, _pid, %Error{code: ^code} = reason}, 5_000
    refute OSProcess.alive?(os_pid)
    reason
  end

  defp empty?(server), do: PortWorker.Flow.idle?(:sys.get_state(server).flow)

  describe "a well-behaved worker" do
    setup do: %{server: Fake.start("normal")}

    test "is answered by id, many calls at once", %{server: server} do
      answers =
        1..500
        |> Task.async_stream(&{&1, recommend(server, &1)}, max_concurrency: 50)
        |> Enum.map(fn {:ok, {user, {:ok, %{items: [{id, 1.0}]}}}} -> {user, id} end)

      assert Enum.all?(answers, fn {user, id} -> user == id end)
      assert empty?(server)
    end

    test "sees the caller's timeout as the deadline", %{server: server} do
      assert {:ok, :pong} = PortWorker.ping(server)
      assert {:ok, %{"deadline" => deadline}} = PortWorker.status(server, timeout: 1_234)
      assert deadline in 1..1_234
      assert {:ok, %{"deadline" => :infinity}} = PortWorker.status(server, timeout: :infinity)
    end

    test "sends progress to the caller only", %{server: server} do
      test = self()
      ref = make_ref()
      fun = fn progress -> send(test, {:progress, self(), progress}) end
      training = Task.async(fn -> PortWorker.retrain(server, on_progress: fun, ref: ref) end)

      assert_receive {:progress, from, %{phase: :fit, share: 0.5}}, 5_000
      assert from == training.pid
      assert PortWorker.cancel(server, ref) == :ok
      assert {:error, %Error{code: :cancelled, retryable?: false}} = Task.await(training)
    end

    test "sends progress as messages", %{server: server} do
      {ref, tag} = {make_ref(), make_ref()}
      progress = {self(), tag}
      training = Task.async(fn -> PortWorker.retrain(server, on_progress: progress, ref: ref) end)

      assert_receive {^tag, {:progress, %{phase: :fit}}}, 5_000
      PortWorker.cancel(server, ref)
      assert {:error, %Error{code: :cancelled}} = Task.await(training)
    end

    test "takes one call of a reference at a time", %{server: server} do
      ref = make_ref()
      first = Task.async(fn -> recommend(server, "silence", ref: ref, timeout: :infinity) end)
      await_in_flight(server, 1)
      assert {:error, %Error{code: :invalid_argument, message: message}} = recommend(server, 1, ref: ref)
      assert message =~ ~r/^expected :ref to be of one call/
      assert PortWorker.cancel(server, ref) == :ok
      assert {:error, %Error{code: :cancelled}} = Task.await(first)
      assert {:ok, _} = recommend(server, 1, ref: ref)
    end

    test "is cancelled as well by what was faster than it", %{server: server} do
      ref = make_ref()
      assert PortWorker.cancel(server, ref) == :ok
      assert {:error, %Error{code: :cancelled}} = PortWorker.retrain(server, ref: ref)
      assert {:ok, _another} = PortWorker.ping(server)
    end

    test "is told to cancel when a progress function raises, and the caller's mailbox stays clean", %{
      server: server
    } do
      assert catch_error(PortWorker.retrain(server, on_progress: fn _ -> raise "mine" end)) == %RuntimeError{
               message: "mine"
             }

      assert {:ok, %{"cancelled" => [0]}} = PortWorker.status(server)
      assert Process.info(self(), :messages) == {:messages, []}
      assert empty?(server)
    end

    test "may send events and name frames that it could not read", %{server: server} do
      assert {:ok, _} = recommend(server, "event")
      assert {:ok, _} = recommend(server, "unreadable")
    end

    test "takes names of hyper-parameters as atoms, and mistaken options raise", %{server: server} do
      assert_raise ArgumentError, "unknown option :m of recommend", fn -> recommend(server, 1, m: 1) end
      assert_raise ArgumentError, ~r/^expected :timeout to be /, fn -> recommend(server, 1, timeout: -1) end

      for features <- [[:vip], "vip", 1..2] do
        assert_raise ArgumentError, ~r/^expected :features to be a map or a keyword list, got: /, fn ->
          recommend(server, 1, features: features)
        end
      end

      assert_raise ArgumentError, ~r/^expected :on_progress to be /, fn ->
        PortWorker.retrain(server, on_progress: 1)
      end

      assert {:error, %Error{code: :invalid_argument}} = recommend(server, self())
    end

    test "is stopped: its process is gone and calls say so", %{server: server} do
      assert {:ok, :pong} = PortWorker.ping(server)
      os_pid = Fake.os_pid(server)

      assert PortWorker.stop(server) == :ok
      refute OSProcess.alive?(os_pid)
      assert {:error, %Error{code: :worker_down, retryable?: true}} = PortWorker.ping(server)
      assert PortWorker.stop(server) == :ok
      assert {:error, %Error{code: :worker_down}} = PortWorker.ping(:nobody_has_this_name)
    end

    test "finishes what is in flight when it is stopped", %{server: server} do
      late = Task.async(fn -> recommend(server, "late") end)
      assert {:ok, :pong} = PortWorker.ping(server)
      await_in_flight(server, 1)

      assert PortWorker.stop(server) == :ok
      assert {:ok, %{"late" => true}} = Task.await(late)
    end
  end

  describe "calls that are given up" do
    setup do: %{server: Fake.start("normal", drain_timeout: 0)}

    test "past their timeout, and the worker is told", %{server: server} do
      assert {:ok, :pong} = PortWorker.ping(server)

      assert {:error, %Error{code: :deadline_exceeded, retryable?: true}} =
               recommend(server, "silence", timeout: 20)

      assert {:ok, %{"cancelled" => [1]}} = PortWorker.status(server)
      assert empty?(server)
    end

    test "and answered late leave nothing in the caller's mailbox", %{server: server} do
      assert {:ok, :pong} = PortWorker.ping(server)
      assert {:error, %Error{code: :deadline_exceeded}} = recommend(server, "late", timeout: 20)
      # A second late answer comes after the first one.
      assert {:ok, %{"late" => true}} = recommend(server, "late")
      assert Process.info(self(), :messages) == {:messages, []}
      assert {:ok, :pong} = PortWorker.ping(server)
    end

    test "may be made again with their reference", %{server: server} do
      ref = make_ref()
      # It is over in the connection before its caller gives it up, for whom there is too little time.
      assert {:ok, :pong} = PortWorker.ping(server)
      :ok = :sys.suspend(server)
      assert {:error, %Error{code: :deadline_exceeded}} = PortWorker.ping(server, ref: ref, timeout: 0)
      :ok = :sys.resume(server)
      assert {:ok, :pong} = PortWorker.ping(server, ref: ref)
    end

    test "in time, though there is progress whenever one looks" do
      chatty =
        spawn_link(fn -> receive(do: ({:"$gen_cast", {:call, _owner, entry}} -> chat(entry.reply_to))) end)

      call = Call.new(:retrain, %{}, timeout: 100, on_progress: fn _progress -> Process.sleep(5) end)
      assert {:error, %Error{code: :deadline_exceeded}} = Call.run(chatty, call)
      assert Process.info(self(), :messages) == {:messages, []}
      Process.unlink(chatty)
      Process.exit(chatty, :kill)
    end

    defp chat(reply_to) do
      frame = :erlang.term_to_binary({:progress, 0, %{phase: :fit}})
      for _ <- 1..100, do: send(reply_to, {reply_to, :progress, frame})
      receive(do: ({:"$gen_cast", {:give_up, _key}} -> :ok), after: (10 -> chat(reply_to)))
    end

    test "by the death of their caller", %{server: server} do
      assert {:ok, :pong} = PortWorker.ping(server)
      caller = spawn(fn -> recommend(server, "silence", timeout: :infinity) end)
      await_in_flight(server, 1)
      Process.exit(caller, :kill)
      await_in_flight(server, 0)

      assert {:ok, %{"cancelled" => [1]}} = PortWorker.status(server)
    end

    test "by a stop that cannot wait", %{server: server} do
      caller = Task.async(fn -> recommend(server, "silence", timeout: :infinity) end)
      assert {:ok, :pong} = PortWorker.ping(server)
      await_in_flight(server, 1)

      assert PortWorker.stop(server) == :ok
      assert {:error, %Error{code: :worker_down}} = Task.await(caller)
    end
  end

  describe "overload" do
    test "past the cap is refused at once, and the cap is the lower of both sides'" do
      server = Fake.start("narrow", max_in_flight: 10, max_queue: 0)
      assert {:ok, :pong} = PortWorker.ping(server)
      for _ <- 1..2, do: spawn_link(fn -> recommend(server, "silence", timeout: :infinity) end)
      await_in_flight(server, 2)

      assert {:error, %Error{code: :overloaded, retryable?: true} = error} = PortWorker.ping(server)
      assert error.message == "2 calls are in flight already"
    end

    test "of thousands of callers that die at once is over in little time" do
      server = Fake.start("normal", max_queue: 20_000)
      assert {:ok, :pong} = PortWorker.ping(server)
      callers = for _ <- 1..20_000, do: spawn(fn -> recommend(server, "silence", timeout: :infinity) end)
      assert eventually(fn -> match?({:ok, %{in_flight: 64, waiting: 19_936}}, PortWorker.info(server)) end)
      :ok = :sys.suspend(server)
      for caller <- callers, do: Process.exit(caller, :kill)
      assert eventually(fn -> elem(Process.info(server, :message_queue_len), 1) >= 20_000 end)
      {:reductions, before} = Process.info(server, :reductions)
      :ok = :sys.resume(server)
      assert eventually(fn -> empty?(server) end)
      {:reductions, later} = Process.info(server, :reductions)
      # Some hundred for each, and not as many as there are callers.
      assert later - before < 20_000 * 2_000
    end

    test "a call larger than the worker takes is not sent" do
      server = Fake.start("narrow")
      big = String.duplicate("x", 2_000)

      assert {:error, %Error{code: :frame_too_large, details: %{"limit" => 1_000}}} = recommend(server, big)
      assert {:ok, :pong} = PortWorker.ping(server)
    end

    test "a full pipe is refused at once; what was given up is cancelled when the worker reads again" do
      server = Fake.start("normal", max_in_flight: 1_000, max_queue: 0)
      assert {:ok, :pong} = PortWorker.ping(server)
      os_pid = Fake.os_pid(server)
      signal(os_pid, "STOP")

      ids = List.duplicate(String.duplicate("x", 200), 1_000)
      given_up = for _ <- 1..5, do: recommend(server, "silence", exclude: ids, timeout: 50)
      codes = for {:error, error} <- given_up, do: error.code

      assert :overloaded in codes
      assert Enum.all?(codes, &(&1 in [:overloaded, :deadline_exceeded]))
      assert empty?(server)

      signal(os_pid, "CONT")
      sent = Enum.count(codes, &(&1 == :deadline_exceeded))
      assert sent == length(await_cancelled(server, sent))
    end
  end

  describe "boot" do
    test "calls wait for it" do
      server = Fake.start("slow_boot")
      assert :sys.get_state(server).phase == :booting
      assert Enum.map(1..3, &recommend(server, &1)) |> Enum.all?(&match?({:ok, _}, &1))
    end

    test "calls wait no longer than their timeout, and are not sent afterwards" do
      server = Fake.start("slow_boot")
      assert {:error, %Error{code: :deadline_exceeded}} = recommend(server, 1, timeout: 0)
      assert {:ok, %{"cancelled" => []}} = PortWorker.status(server)
    end

    test "an exit is told with its status" do
      server = Fake.start("exit_at_boot")
      assert {:error, %Error{code: :worker_down, details: %{"exit_status" => 3}}} = PortWorker.ping(server)
    end

    test "a command that cannot be run is told" do
      Process.flag(:trap_exit, true)
      options = PortWorker.Options.validate!(Fake.options("normal"))
      {:ok, server} = PortWorker.Connection.start_link(%{options | command: "/no/such/file"})

      assert_receive {:EXIT, ^server, %Error{code: :worker_down, message: message}}, 5_000
      assert message == "the worker could not be spawned: :enoent"
    end

    test "a variable that the node has no bytes for is told" do
      Process.flag(:trap_exit, true)
      options = PortWorker.Options.validate!(Fake.options("normal"))
      {:ok, server} = PortWorker.Connection.start_link(%{options | env: [{"A=B", "1"}]})
      assert_receive {:EXIT, ^server, %Error{code: :worker_down, message: message}}, 5_000
      assert message =~ ~r/^the worker could not be spawned: /
    end

    test "silence is ended after boot_timeout, and the worker is killed" do
      server = Fake.start("silent_at_boot", boot_timeout: 500)
      os_pid = Fake.os_pid(server)
      monitor = Process.monitor(server)

      assert {:error, %Error{code: :boot_timeout, retryable?: true}} = PortWorker.ping(server)
      assert_receive {:DOWN, ^monitor, :process, _pid, %Error{code: :boot_timeout}}, 5_000
      refute OSProcess.alive?(os_pid)
    end

    test "a print in place of a hello is a silence, too" do
      server = Fake.start("print_at_boot", boot_timeout: 1_000)
      assert {:error, %Error{code: :boot_timeout}} = PortWorker.ping(server)
    end

    test "another protocol is refused" do
      server = Fake.start("protocol_2")
      assert {:error, %Error{code: :unsupported_protocol, retryable?: false}} = PortWorker.ping(server)
    end

    test "an answer before the hello is refused" do
      server = Fake.start("reply_before_hello")
      assert {:error, %Error{code: :malformed_frame}} = PortWorker.ping(server)
    end
  end

  describe "a worker that breaks the protocol" do
    for user <- ["garbage", "unknown atom", "compressed", "no message", "foreign id", "second hello"] do
      test "with #{user} is killed" do
        server = Fake.start("normal")
        assert_ends(server, :malformed_frame, &recommend(&1, unquote(user)))
      end
    end

    test "with a print costs its callers their time, not this node's life" do
      server = Fake.start("normal", drain_timeout: 0)
      assert {:error, %Error{code: :deadline_exceeded}} = recommend(server, "print", timeout: 500)
      assert PortWorker.stop(server) == :ok
    end
  end

  describe "a worker that dies" do
    test "by itself tells its status" do
      reason = "normal" |> Fake.start() |> assert_ends(:worker_down, &recommend(&1, "exit 7"))
      assert reason.details == %{"exit_status" => 7}
    end

    test "by a signal tells which" do
      kill = fn server ->
        call = Task.async(fn -> recommend(server, "silence") end)
        await_in_flight(server, 2)
        signal(Fake.os_pid(server), "KILL")
        Task.await(call)
      end

      reason = "normal" |> Fake.start() |> assert_ends(:worker_down, kill)
      assert reason.message == "the worker was killed by signal 9"
    end

    test "goes on when a process ends normally that was linked to its connection" do
      server = Fake.start("normal")
      assert {:ok, :pong} = PortWorker.ping(server)
      Task.await(Task.async(fn -> Process.link(server) end))
      assert {:ok, :pong} = PortWorker.ping(server)
    end

    test "may be stopped while its supervisor stops it" do
      server = Fake.start("normal")
      assert {:ok, :pong} = PortWorker.ping(server)
      call = Task.async(fn -> recommend(server, "late") end)
      await_in_flight(server, 1)
      stop = Task.async(fn -> eventually(fn -> draining?(server) end) && PortWorker.stop(server) end)
      assert stop_supervised(PortWorker) == :ok
      assert Task.await(stop) == :ok
      assert {:ok, %{"late" => true}} = Task.await(call)
    end

    test "is started again by its supervisor" do
      name = :"worker_#{System.unique_integer([:positive])}"
      start_supervised!({PortWorker, Fake.options("normal", name: name)})
      assert {:ok, :pong} = PortWorker.ping(name)
      monitor = name |> Process.whereis() |> Process.monitor()

      assert {:error, %Error{code: :worker_down}} = recommend(name, "exit 7")
      assert_receive {:DOWN, ^monitor, :process, _pid, _reason}, 5_000
      assert {:ok, :pong} = await_ok(fn -> PortWorker.ping(name) end)
    end
  end

  describe "a worker that does not heed the end of its input" do
    setup do
      server = Fake.start("deaf_to_eof")
      assert {:ok, :pong} = PortWorker.ping(server)
      %{server: server, os_pid: Fake.os_pid(server)}
    end

    test "is killed by stop", %{server: server, os_pid: os_pid} do
      assert PortWorker.stop(server) == :ok
      refute OSProcess.alive?(os_pid)
    end

    test "is killed even if its connection is killed first", %{server: server, os_pid: os_pid} do
      Process.exit(server, :kill)
      assert eventually(fn -> not OSProcess.alive?(os_pid) end)
    end
  end

  defp draining?(server),
    do: Process.info(server, :current_function) != {:current_function, {:gen_server, :loop, 7}}

  defp await_in_flight(server, count) do
    assert eventually(fn -> PortWorker.Calls.size(:sys.get_state(server).flow.calls) == count end)
  end

  defp await_cancelled(server, count) do
    assert eventually(fn ->
             # The pipe may still be full of what was given up.
             with {:ok, %{"cancelled" => ids}} <- PortWorker.status(server),
                  do: length(ids) >= count && ids,
                  else: ({:error, %Error{code: :overloaded}} -> nil)
           end)
  end

  defp await_ok(call), do: eventually(fn -> with({:error, _} <- call.(), do: false) end)

  defp signal(os_pid, name), do: {_, 0} = System.cmd("/bin/sh", ["-c", "kill -#{name} #{os_pid}"])
end
