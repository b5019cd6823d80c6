defmodule PortWorker.LogTest do
  # What is logged. A log is of the whole node, so nothing else runs meanwhile.
  use ExUnit.Case, async: false

  import ExUnit.CaptureLog
  import PortWorker.Eventually

  alias PortWorker.{Error, OSProcess, Rude}

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
