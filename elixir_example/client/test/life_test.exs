defmodule PortWorker.LifeTest do
  # Boot, readiness, restarts and their back-off.
  use ExUnit.Case, async: true

  import PortWorker.Eventually

  alias PortWorker.{Backoff, Connection, Error, Greeter, OSProcess, Rude}

  defp temporary_home do
    home = Path.join(System.tmp_dir!(), "port_worker_#{System.pid()}_#{System.unique_integer([:positive])}")
    on_exit(fn -> File.rm_rf!(home) end)
    File.mkdir_p!(home)
    home
  end

  describe "readiness" do
    test "is awaited, with what the worker says of itself" do
      server = Rude.start()
      assert {:ok, %{protocol: 1, worker: %{name: "rude"}, model: nil}} = PortWorker.await_ready(server)
      assert PortWorker.ready?(server)
      # It is said at once of one that is ready, however much waits.
      assert %{os_pid: os_pid} = PortWorker.await_ready!(server, 1_000)
      assert {:ok, %{phase: :ready, os_pid: ^os_pid, in_flight: 0, waiting: 0}} = PortWorker.info(server)
    end

    test "is apart from being alive" do
      server = Rude.start(~s({"boot": "silent"}))
      refute PortWorker.ready?(server)
      assert Process.alive?(server)
      assert {:error, %Error{code: :deadline_exceeded}} = PortWorker.await_ready(server, 20)
      assert {:ok, %{phase: :booting, waiting: 0, facts: nil}} = PortWorker.info(server)
      assert Process.info(self(), :messages) == {:messages, []}
    end

    test "takes no credit, and no place of the queue once it is there" do
      server = Rude.start("{}", max_in_flight: 1, max_queue: 0)
      {:ok, _} = PortWorker.await_ready(server)
      caller = spawn(fn -> PortWorker.recommend(server, "silent", timeout: :infinity) end)
      assert eventually(fn -> match?({:ok, %{in_flight: 1}}, PortWorker.info(server)) end)
      assert {:error, %Error{code: :overloaded}} = PortWorker.ping(server)
      assert {:ok, _} = PortWorker.await_ready(server)
      Process.exit(caller, :kill)
    end

    test "is told to whom a connection greets, though more callers wait for the boot than may" do
      # It boots when the folder has gone.
      home = temporary_home()
      [command: command, args: args] = Rude.options() |> Keyword.take([:command, :args])
      shell = ~s(while test -d "$0"; do sleep 0.05; done; exec "$@")

      options = [
        command: "/bin/sh",
        args: ["-c", shell, home, command | args],
        max_in_flight: 1,
        max_queue: 0
      ]

      server = start_supervised!({PortWorker, options})
      early = Task.async(fn -> PortWorker.ping(server) end)
      assert eventually(fn -> match?({:ok, %{waiting: 1}}, PortWorker.info(server)) end)
      assert {:error, %Error{code: :overloaded}} = PortWorker.await_ready(server)
      Greeter.start(server, :it_is_ready)
      File.rm_rf!(home)
      assert_receive :it_is_ready, 20_000
      assert Task.await(early) == {:ok, :pong}
    end

    test "of nobody" do
      refute PortWorker.ready?(:nobody_has_this_name)
      assert {:error, %Error{code: :worker_down}} = PortWorker.info(:nobody_has_this_name)
      assert {:error, %Error{code: :worker_down}} = PortWorker.await_ready(:nobody_has_this_name)
      assert_raise Error, fn -> PortWorker.await_ready!(:nobody_has_this_name) end
      assert_raise ArgumentError, ~r/^expected :timeout/, fn -> PortWorker.await_ready(self(), -1) end
    end
  end

  describe "restarts" do
    test "in a row wait, so that the supervisor does not give up, and calls wait with them" do
      name = __MODULE__.Row
      options = Rude.options(~s({"boot": "exit"}), name: name, backoff_min: 60_000, backoff_max: 60_000)
      start_supervised!({PortWorker, options})

      # The first life and the second boot at once.
      assert eventually(fn -> match?({:ok, %{phase: :delayed, os_pid: nil}}, PortWorker.info(name)) end)
      refute PortWorker.ready?(name)
      assert {:error, %Error{code: :deadline_exceeded}} = PortWorker.ping(name, timeout: 20)
      assert {:error, %Error{code: :deadline_exceeded}} = PortWorker.await_ready(name, 20)
      assert stop_supervised(name) == :ok
    end

    test "that wait boot in the end" do
      name = __MODULE__.Waits
      home = temporary_home()
      # It boots only when the folder has gone: `test ! -d`.
      [command: command, args: args] = Rude.options() |> Keyword.take([:command, :args])
      shell = ~s(test ! -d "$0" && exec "$@")

      options = [
        command: "/bin/sh",
        args: ["-c", shell, home, command | args],
        name: name,
        backoff_min: 30,
        backoff_max: 30
      ]

      # Its supervisor permits three restarts in five seconds; this test is quicker than that.
      children = [{PortWorker, options}]
      {:ok, supervisor} = Supervisor.start_link(children, strategy: :one_for_one, max_restarts: 1_000)
      assert eventually(fn -> match?({:ok, %{phase: :delayed}}, PortWorker.info(name)) end)
      File.rm_rf!(home)
      assert eventually(fn -> PortWorker.ready?(name) end)
      assert {:ok, :pong} = PortWorker.ping(name)
      Supervisor.stop(supervisor)
    end

    test "of a worker that cannot boot are no more than a supervisor permits by default" do
      name = __MODULE__.Never
      spec = PortWorker.child_spec(command: "/bin/sh", args: ["-c", "exit 3"], name: name)
      %{start: {Connection, :start_link, [%{backoff: lives}]}} = spec
      {:ok, supervisor} = Supervisor.start_link([spec], strategy: :one_for_one)
      # Three restarts in five seconds are permitted; the fifth life begins with the fourth.
      assert eventually(fn -> :atomics.get(lives, 1) == 5 or not Process.alive?(supervisor) end)
      assert eventually(fn -> match?({:ok, %{phase: :delayed}}, PortWorker.info(name)) end, 10)
      Supervisor.stop(supervisor)
    end

    test "wait for a command that is being replaced" do
      name = __MODULE__.Replaced
      home = temporary_home()
      command = Path.join(home, "worker")
      File.write!(command, ~s(#!/bin/sh\nrm "$0"\n))
      File.chmod!(command, 0o755)
      start_supervised!({PortWorker, command: command, name: name, backoff_min: 60_000, backoff_max: 60_000})
      assert eventually(fn -> match?({:ok, %{phase: :delayed}}, PortWorker.info(name)) end)
      refute File.exists?(command)
    end

    test "count for one child, until it is well or stopped on purpose" do
      assert %{start: {Connection, :start_link, [one]}} = PortWorker.child_spec(Rude.options())
      assert %{start: {Connection, :start_link, [other]}} = PortWorker.child_spec(Rude.options())
      assert one.backoff != other.backoff
      range = {1_000, 30_000}
      assert for(_ <- 1..4, do: Backoff.begin_life(one.backoff, range)) == [0, 0, 1_000, 5_000]
      assert Backoff.begin_life(other.backoff, range) == 0
      assert Backoff.settle(one.backoff) == :ok
      assert Backoff.begin_life(one.backoff, range) == 0

      for _ <- 1..5 do
        {:ok, server} = Connection.start_link(other)
        assert {:ok, :pong} = PortWorker.ping(server)
        assert PortWorker.stop(server) == :ok
      end

      assert Backoff.begin_life(other.backoff, range) == 0
    end

    test "of a child whose count is another node's boot at once" do
      assert Backoff.begin_life(make_ref(), {1_000, 1_000}) == 0
      assert Backoff.settle(make_ref()) == :ok
      assert Backoff.begin_life(nil, {1_000, 1_000}) == 0
    end

    test "are immediate for a worker that was killed once" do
      name = __MODULE__.Once
      start_supervised!({PortWorker, Rude.options("{}", name: name)})
      {:ok, %{os_pid: os_pid}} = PortWorker.await_ready(name)
      {_, 0} = System.cmd("/bin/sh", ["-c", "kill -9 #{os_pid}"])

      assert eventually(fn ->
               match?({:ok, %{os_pid: new}} when new != os_pid, PortWorker.await_ready(name))
             end)

      refute OSProcess.alive?(os_pid)
    end
  end
end
