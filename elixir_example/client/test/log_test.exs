defmodule PortWorker.LogTest do
  # What is logged. A log is of the whole node, so nothing else runs meanwhile.
  use ExUnit.Case, async: false

  import ExUnit.CaptureLog
  import PortWorker.Eventually

  alias PortWorker.{Error, OSProcess, Peak, Rude}

  describe "the log" do
    test "has the worker's events, with their level and whose they are" do
      test = self()

      log =
        capture_log([metadata: [:port_worker, :event, :os_pid]], fn ->
          server = Rude.start("{}", name: __MODULE__.Logged)
          {:ok, %{os_pid: os_pid}} = PortWorker.await_ready(server)
          {:ok, _} = PortWorker.recommend(server, "some events")
          send(test, os_pid)
        end)

      assert_received os_pid
      assert log =~ ~r/port_worker=\S*PortWorker.LogTest.Logged /
      assert log =~ "event=model_activated" and log =~ "os_pid=#{os_pid}"
      assert log =~ ~r/\[info\][^\n]*model_activated/
      # A hundred of them within a second are no news.
      assert length(String.split(log, "event=model_activated")) in 2..22
    end

    test "has an event that comes behind much progress" do
      log =
        capture_log(fn ->
          server = Rude.start()
          training = PortWorker.retrain_async(server, algorithm: "event")

          assert eventually(fn ->
                   match?({:ok, %{facts: %{model: %{version: "v1"}}}}, PortWorker.info(server))
                 end)

          PortWorker.cancel(training)
          assert {:error, %Error{code: :cancelled}} = PortWorker.await_retrain(training)
        end)

      assert log =~ "model_activated"
    end

    test "has no more of an event than can be written quickly" do
      log =
        capture_log(fn ->
          server = Rude.start()
          assert {:ok, _} = PortWorker.recommend(server, "large event")
        end)

      assert log =~ ~r/model_activated a term of 20\d\d\d bytes/
    end

    test "has what it writes to stderr, if that is asked for" do
      lines = ~s(["a warning of its own", "näxt"])
      before = pipes()

      log =
        capture_log([metadata: [:port_worker, :source]], fn ->
          server = Rude.start(~s({"lines": #{lines}}), name: __MODULE__.Stderr, stderr: :warning)
          assert {:ok, %{os_pid: os_pid}} = PortWorker.await_ready(server)
          # The shell that led the worker's stderr away is the worker now.
          assert {:ok, %{os_pid: ^os_pid}} = PortWorker.info(server)
          assert {:ok, _} = PortWorker.recommend(server, "stderr")
          relay = relay(server)
          assert PortWorker.stop(server) == :ok
          refute OSProcess.alive?(os_pid)
          assert_receive {:DOWN, ^relay, :process, _pid, :normal}, 5_000
        end)

      assert length(Regex.scan(~r/source=stderr[^\n]*\[warning\] a warning of its own\n/, log)) == 2
      assert log =~ ~r/port_worker=\S*PortWorker.LogTest.Stderr /
      assert log =~ "[warning] näxt"
      assert pipes() -- before == []
    end

    test "has what a worker writes when the connection is at its end" do
      log =
        capture_log(fn ->
          server = start_shell(~s(read -r _never; echo "last words" >&2; exit 3))
          relay = relay(server)
          assert os_pid(server)
          assert PortWorker.stop(server) == :ok
          assert_receive {:DOWN, ^relay, :process, _pid, :normal}, 5_000
        end)

      assert log =~ "[error] last words"
    end

    test "is not flooded" do
      log =
        capture_log(fn ->
          server = start_shell("i=0; while [ $i -lt 5000 ]; do echo x >&2; i=$((i+1)); done; read -r _never")
          relay = relay(server)
          assert os_pid(server)
          assert PortWorker.stop(server) == :ok
          assert_receive {:DOWN, ^relay, :process, _pid, :normal}, 30_000
        end)

      assert length(String.split(log, "[error] x\n")) < 5_000
      assert log =~ ~r/\d+ more lines within a second/
    end

    test "of a worker that writes quicker than it can be read ends it, before it fills the node" do
      mark = "yes-#{System.unique_integer([:positive])}-#{System.pid()}"
      server = start_shell("yes #{mark} >&2; read -r _never")
      monitor = Process.monitor(server)
      {relay, _monitor} = eventually(fn -> :sys.get_state(server).stderr end)
      peak = Peak.watch(relay)
      assert_receive {:DOWN, ^monitor, :process, _pid, %Error{code: :flooded, message: message}}, 30_000
      assert message =~ ~r/^expected a worker that writes little to stderr, got: \d+ lines/
      assert Peak.seen(peak).bytes < 256 * 1_048_576
      refute Process.alive?(relay)
      assert eventually(fn -> pipes() == [] end)
      # What the worker had started has nobody to write to, either.
      assert eventually(fn -> not running?("yes " <> mark) end)
    end

    test "that nobody reads any more ends the worker" do
      server = Rude.start("{}", stderr: :info)
      {:ok, %{os_pid: os_pid}} = PortWorker.await_ready(server)
      monitor = Process.monitor(server)
      {relay, _monitor} = :sys.get_state(server).stderr
      # The pipe has no name any more once the worker is known to have it open.
      assert eventually(fn -> pipes() == [] end)
      Process.exit(relay, :kill)
      assert_receive {:DOWN, ^monitor, :process, _pid, %Error{code: :worker_down, message: message}}, 5_000
      assert message == "the worker's stderr cannot be read: :killed"
      refute OSProcess.alive?(os_pid)
    end

    defp running?(command) do
      {processes, 0} = System.cmd("ps", ["-A", "-o", "args="])
      command in String.split(processes, "\n")
    end

    defp start_shell(shell) do
      options = [command: "/bin/sh", args: ["-c", shell], stderr: :error, kill_after: 5_000]
      start_supervised!(Supervisor.child_spec({PortWorker, options}, restart: :temporary))
    end

    defp os_pid(server), do: eventually(fn -> elem(PortWorker.info(server), 1).os_pid end)

    defp relay(server) do
      {pid, _monitor} = eventually(fn -> :sys.get_state(server).stderr end)
      Process.monitor(pid)
    end

    defp pipes, do: Path.wildcard(Path.join(System.tmp_dir!(), "port_worker-#{System.pid()}-*"))
  end
end
