defmodule Sekai.Runners.LoopbackBackendTest do
  use Sekai.RunnerCase, async: false

  alias Sekai.Runners
  alias Sekai.Runners.LoopbackBackend
  alias Sekai.Runners.LoopbackBackend.Machine

  # A function of a module that both have: a test's own closures are not there.
  defp over_there(options \\ []), do: FLAME.call(Runners.pool(), &Sekai.Here.about/0, options)

  test "a runner is another BEAM, with this one's code and configuration, and nothing to do", %{dir: dir} do
    start_runners(backend: {LoopbackBackend, dir: dir, env: %{"SEKAI_TEST_VARIABLE" => "as told"}})
    there = over_there()

    assert there.os_pid in runner_pids()
    assert there.os_pid != String.to_integer(System.pid())
    assert Path.dirname(there.cwd) == dir
    assert File.read!(Path.join(there.cwd, "runner.pid")) == "#{there.os_pid}\n"
    assert there.parent?
    assert :sekai in there.started
    assert there.children == []
    assert there.consolidated?
    assert there.variable == "as told"
    assert there.environment[Sekai.Repo] == Application.fetch_env!(:sekai, Sekai.Repo)

    # Of the cluster it is none, and nobody can connect to it.
    assert there.nodes == []
    refute there.node in Node.list()
    assert there.node in Node.list(:hidden)
    refute there.listens?
  end

  test "one that is idle ends, and leaves nothing", %{dir: dir} do
    start_runners(backend: loopback(dir), idle_shutdown_after: 100)
    %{os_pid: os_pid, cwd: cwd} = over_there()
    eventually(fn -> not alive?(os_pid) end)
    eventually(fn -> not File.exists?(cwd) end)
    eventually(fn -> Machine.list() == [] end)
    # Another one comes for who needs it.
    assert %{os_pid: another} = over_there()
    assert another != os_pid
  end

  test "those of a pool that stops, or crashes, end with it", %{dir: dir} do
    start_runners(backend: loopback(dir))
    %{os_pid: first} = over_there()
    Process.exit(Process.whereis(Runners.pool()), :kill)
    eventually(fn -> not alive?(first) end)

    %{os_pid: second} = eventually(fn -> Process.whereis(Runners.pool()) && over_there() end)
    stop_supervised!(Runners)
    # No eventually: who stops it waits for that.
    refute alive?(second)
    assert File.ls!(dir) == []
  end

  @tag :capture_log
  test "one that does not stop when it is told is killed", %{dir: dir} do
    start_runners(backend: loopback(dir))
    %{os_pid: os_pid} = over_there()
    {_output, 0} = System.cmd("/bin/sh", ["-c", "kill -STOP #{os_pid}"])
    log = ExUnit.CaptureLog.capture_log(fn -> stop_supervised!(Runners) end)
    assert log =~ "it is killed"
    refute alive?(os_pid)
  end

  @tag :capture_log
  test "who waits for one that can't boot is told at once, and the pool lives", %{dir: dir} do
    start_runners(backend: {LoopbackBackend, dir: dir, env: %{"ERL_FLAGS" => "-s erlang halt"}})
    pool = Process.whereis(Runners.pool())
    log = ExUnit.CaptureLog.capture_log(fn -> assert catch_exit(over_there(timeout: 3_000)) end)
    assert log =~ "runner_ended"
    assert log =~ "exit_status"
    assert Process.whereis(Runners.pool()) == pool
    eventually(fn -> Machine.list() == [] end)
  end

  @tag :capture_log
  test "an application that does not start there is said by its name", %{dir: dir} do
    start_runners(backend: {LoopbackBackend, dir: dir, app: :no_such_app})
    log = ExUnit.CaptureLog.capture_log(fn -> assert catch_exit(over_there(timeout: 5_000)) end)
    assert log =~ "application_not_started"
    assert log =~ "no_such_app"
    eventually(fn -> Machine.list() == [] end)
  end

  test "options are checked", %{dir: dir} do
    assert_raise ArgumentError, ~r/unknown keys \[:folder\]/, fn -> LoopbackBackend.init(folder: dir) end
  end

  # A BEAM of its own, that is killed: its runner has nobody to tell it anything.
  test "those of a parent that is killed end", %{dir: dir} do
    code = """
    Application.load(:sekai)
    {:ok, _} = Application.ensure_all_started([:flame, :telemetry_poller])
    {:ok, _} = Sekai.Runners.start_link(backend: {#{inspect(LoopbackBackend)}, dir: #{inspect(dir)}, app: :flame})
    IO.puts("runner:" <> FLAME.call(Sekai.Runners.pool(), &System.pid/0))
    Process.sleep(:infinity)
    """

    paths = for path <- :code.get_path(), argument <- ["-pa", to_string(path)], do: argument
    elixir = System.find_executable("elixir")
    parent = Port.open({:spawn_executable, elixir}, [:binary, {:line, 100}, args: paths ++ ["-e", code]])
    {:os_pid, shell_pid} = Port.info(parent, :os_pid)
    assert_receive {^parent, {:data, {:eol, "runner:" <> runner_pid}}}, 30_000
    assert alive?(runner_pid)
    # The shell scripts that start a BEAM become it.
    kill(shell_pid)
    eventually(fn -> not alive?(runner_pid) end)

    # Nobody has removed its folder: who starts the next one does, once whoever inherits orphans has seen to it.
    assert [left] = File.ls!(dir)
    eventually(fn -> match?({_output, 1}, System.cmd("ps", ["-p", runner_pid])) end)
    start_runners(backend: loopback(dir))
    assert %{cwd: cwd} = over_there()
    assert File.ls!(dir) == [Path.basename(cwd)]
    assert Path.basename(cwd) != left
  end
end
