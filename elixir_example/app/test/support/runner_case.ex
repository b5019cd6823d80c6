defmodule Sekai.RunnerCase do
  @moduledoc """
  Tests that have runners: other BEAMs on this machine, or this one.

  There is one `Sekai.Runners` on a node, so they are not async. Folders are the test's own, and removed after it.
  """

  use ExUnit.CaseTemplate

  alias PortWorker.Fleet
  alias Sekai.Recommender
  alias Sekai.Runners.LoopbackBackend
  alias Sekai.Runners.LoopbackBackend.Machine

  @root Path.expand("../../../..", __DIR__)
  @fake Path.join(@root, "elixir_example/client/test/support/fake_worker.exs")

  using do
    quote do
      import Sekai.Eventually
      import Sekai.RunnerCase

      @moduletag :flame
      @moduletag timeout: 180_000
    end
  end

  setup do
    dir = Path.join(System.tmp_dir!(), "sekai_test_#{System.pid()}_#{System.unique_integer([:positive])}")
    File.mkdir_p!(dir)
    on_exit(fn -> File.rm_rf!(dir) end)
    %{dir: dir}
  end

  @doc "The backend whose runners are other BEAMs."
  def loopback(dir), do: {LoopbackBackend, dir: dir}

  @doc "Starts the pool."
  def start_runners(options),
    do: ExUnit.Callbacks.start_supervised!({Sekai.Runners, options}, id: Sekai.Runners)

  @doc "Starts `Sekai.Recommender` on runners, with workers that do as they are told; waits for the first."
  def start_fleet(options, worker \\ fake_worker()) do
    start_runners(options)
    fleet = [name: Recommender] ++ Sekai.Runners.fleet(Sekai.Runners.options(options)) ++ worker
    ExUnit.Callbacks.start_supervised!({Fleet, fleet}, id: Recommender)
    :ok = Fleet.await_ready(Recommender, 60_000)
  end

  @doc "Options of a worker that needs nothing but Elixir."
  def fake_worker, do: [command: "elixir", args: ["--erl", "-noinput", @fake, "normal"], kill_after: 200]

  @doc "The real worker's executable."
  def worker_command, do: Path.join(@root, "bin/worker")

  @doc "The operating system's pids of the runners' BEAMs."
  def runner_pids, do: for(%{os_pid: os_pid} <- Machine.list(), do: os_pid)

  @doc "The operating system's pids of the workers, as they say themselves."
  def worker_pids do
    for %{name: lease, state: :ready} <- Fleet.leases(Recommender) do
      {:ok, %{os_pid: os_pid}} = PortWorker.info(lease)
      os_pid
    end
  end

  @doc "Whether the operating system has such a process, other than as a zombie."
  def alive?(os_pid) do
    case System.cmd("ps", ["-o", "stat=", "-p", "#{os_pid}"]) do
      {"Z" <> _rest, 0} -> false
      {_state, status} -> status == 0
    end
  end

  @doc "Ends a process of the operating system at once."
  def kill(os_pid), do: {_output, 0} = System.cmd("/bin/sh", ["-c", "kill -KILL #{os_pid}"])
end
