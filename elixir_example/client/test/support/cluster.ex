defmodule PortWorker.Cluster do
  @moduledoc "Other nodes on this machine, reachable by its loopback interface alone, with a supervisor for workers on each."

  @supervisor PortWorker.Cluster.Workers
  @loopback ~c"127.0.0.1"

  @doc "The name of the `DynamicSupervisor` on each node."
  def supervisor, do: @supervisor

  @doc "Makes this VM a node, if it is none."
  def start do
    if not Node.alive?() do
      start_epmd()
      Application.put_env(:kernel, :inet_dist_use_interface, {127, 0, 0, 1})
      Application.put_env(:kernel, :prevent_overlapping_partitions, false)
      {:ok, _} = Node.start(:"port_worker_#{System.pid()}@127.0.0.1", :longnames)
      Node.set_cookie(:"#{:rand.uniform(1_000_000_000_000_000_000)}")
    end

    :ok
  end

  @doc "Starts a node with this one's code, for so many workers. It ends with this VM at the latest."
  def start_node(workers \\ :infinity) do
    name = :"peer_#{System.pid()}_#{System.unique_integer([:positive])}"

    {:ok, peer, node} =
      :peer.start_link(%{
        name: name,
        host: @loopback,
        longnames: true,
        connection: :standard_io,
        args: arguments()
      })

    Process.unlink(peer)
    true = Node.connect(node)
    {:ok, _} = :erpc.call(node, Application, :ensure_all_started, [:elixir])
    {:ok, _} = :erpc.call(node, Application, :ensure_all_started, [:logger])
    :ok = :erpc.call(node, Logger, :configure, [[level: :critical]])
    # It is not to end with the process that the call makes over there.
    :ok = :erpc.call(node, __MODULE__, :supervise, [workers])
    %{peer: peer, name: node, os_pid: :erpc.call(node, System, :pid, [])}
  end

  @doc false
  def supervise(workers) do
    {:ok, pid} = DynamicSupervisor.start_link(name: @supervisor, max_children: workers)
    Process.unlink(pid)
    :ok
  end

  @doc "Ends a node at once, by signal."
  def kill(node), do: signal(node, "KILL")

  @doc "Has a node do nothing, without ending it, until `resume/1`."
  def suspend(node) do
    signal(node, "STOP")
    # Each of its threads stops in its own time.
    true = PortWorker.Eventually.eventually(fn -> stopped?(node) end)
    :ok
  end

  @doc "Has a node go on."
  def resume(node), do: signal(node, "CONT")

  defp signal(%{os_pid: os_pid}, name), do: {_, 0} = System.cmd("/bin/sh", ["-c", "kill -#{name} #{os_pid}"])

  defp stopped?(%{os_pid: os_pid}) do
    {state, 0} = System.cmd("ps", ["-o", "stat=", "-p", os_pid])
    String.starts_with?(state, "T")
  end

  defp arguments do
    paths = Enum.flat_map(:code.get_path(), &[~c"-pa", &1])

    [~c"-kernel", ~c"inet_dist_use_interface", ~c"{127,0,0,1}"] ++
      [~c"-kernel", ~c"prevent_overlapping_partitions", ~c"false"] ++
      [~c"-setcookie", Atom.to_charlist(Node.get_cookie())] ++ paths
  end

  # The daemon is part of Erlang, though not always on the path.
  defp start_epmd do
    erts = Path.join([:code.root_dir(), "erts-#{:erlang.system_info(:version)}", "bin", "epmd"])
    epmd = System.find_executable("epmd") || erts
    {_, 0} = System.cmd(epmd, ["-daemon", "-address", to_string(@loopback)])
  end
end
