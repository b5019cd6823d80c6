defmodule Sekai.Runners.LoopbackBackend.Machine do
  @moduledoc """
  The process that has the BEAM of one runner: its pipe, its pid, its folder.

  It is started by the `FLAME.Runner` that the BEAM is for, and ends with it. When it ends, its BEAM has ended, too, and the
  folder is gone. In that, `runner.pid` has the operating system's pid, for whoever is to kill it.
  """

  use GenServer, restart: :temporary, shutdown: 15_000

  require Logger

  alias Sekai.Runners.LoopbackBackend.{Guest, Machine}

  # How long a runner may take to stop its applications. What it runs, a worker, is given less.
  @stop_ms 10_000

  # This BEAM's own flags may name a node; and a runner that crashes leaves no dump.
  @environment for(name <- ~w(ERL_AFLAGS ERL_FLAGS ERL_ZFLAGS RELEASE_NAME), into: %{}, do: {name, nil})
               |> Map.put("ERL_CRASH_DUMP_SECONDS", "0")

  # A runner does not spin when it has nothing to do: the others are on the same processors.
  @flags ~w(-noinput -hidden +sbwt none +sbwtdcpu none +sbwtdio none) ++
           ~w(-kernel inet_dist_use_interface {127,0,0,1} -kernel prevent_overlapping_partitions false)

  @enforce_keys [:name, :port, :os_pid, :dir, :runner]
  defstruct @enforce_keys

  @type spec :: %{app: atom(), dir: Path.t(), env: %{String.t() => String.t()}}
  @type machine :: %{name: String.t(), os_pid: pos_integer(), dir: Path.t()}

  defmodule Supervisor do
    @moduledoc "Has all machines of this node, and knows them."

    use Elixir.Supervisor

    alias Sekai.Runners.LoopbackBackend.Machine

    @spec start_link(keyword()) :: Elixir.Supervisor.on_start()
    def start_link(_options), do: Elixir.Supervisor.start_link(__MODULE__, [], name: __MODULE__)

    @impl Elixir.Supervisor
    def init([]) do
      children = [
        {Registry, keys: :duplicate, name: Machine.Registry},
        {DynamicSupervisor, name: Machine.Machines}
      ]

      Elixir.Supervisor.init(children, strategy: :one_for_all)
    end
  end

  @doc "Starts a BEAM for the calling `FLAME.Runner`, and does not wait for it."
  @spec start(spec()) :: DynamicSupervisor.on_start_child()
  def start(spec), do: DynamicSupervisor.start_child(Machine.Machines, {__MODULE__, {spec, self()}})

  @doc "The machines that there are. Asks no process."
  @spec list() :: [machine()]
  def list, do: Registry.select(Machine.Registry, [{{:machine, :_, :"$1"}, [], [:"$1"]}])

  @doc false
  @spec start_link({spec(), pid()}) :: GenServer.on_start()
  def start_link({spec, runner}), do: GenServer.start_link(__MODULE__, {spec, runner})

  @impl GenServer
  def init({spec, runner}) do
    Process.flag(:trap_exit, true)
    Process.monitor(runner)
    name = "runner_#{System.pid()}_#{System.unique_integer([:positive])}"
    clear(Path.expand(spec.dir))
    dir = Path.join(Path.expand(spec.dir), name)
    File.mkdir_p!(dir)

    port = open(dir, spec.env)
    {:os_pid, os_pid} = Port.info(port, :os_pid)
    File.write!(Path.join(dir, "runner.pid"), "#{os_pid}\n")
    # By the pipe rather than by a file or the command line, since there are passwords and the cookie in it.
    Port.command(port, Guest.invitation(name))
    {:ok, _registry} = Registry.register(Machine.Registry, :machine, %{name: name, os_pid: os_pid, dir: dir})
    Logger.info("#{name} starts, with the pid #{os_pid}")
    {:ok, %__MODULE__{name: name, port: port, os_pid: os_pid, dir: dir, runner: runner}}
  end

  # What is left of runners whose parent was killed, and could not do it.
  defp clear(dir) do
    for file <- Path.wildcard(Path.join(dir, "*/runner.pid")),
        {:ok, os_pid} <- [File.read(file)],
        not running?(String.trim(os_pid)),
        do: File.rm_rf(Path.dirname(file))
  end

  defp running?(os_pid), do: signal("0", os_pid) == 0

  defp signal(signal, os_pid) do
    {_output, status} = System.cmd("/bin/sh", ["-c", "kill -#{signal} #{os_pid}"], stderr_to_stdout: true)
    status
  end

  # The pipe is on file descriptors 3 and 4, which leaves the standard streams as they are.
  defp open(dir, env) do
    Port.open({:spawn_executable, erl()}, [
      :binary,
      :exit_status,
      :nouse_stdio,
      {:packet, 4},
      {:cd, dir},
      {:args, @flags ++ boot() ++ ["-pa", Guest.path(), "-s", "#{Guest}", "start"]},
      {:env, for({key, value} <- Map.merge(@environment, env), do: {charlist(key), charlist(value)})}
    ])
  end

  defp charlist(nil), do: false
  defp charlist(text), do: String.to_charlist(text)

  # In a release there is the one that comes with it.
  defp erl do
    erts = Path.join([:code.root_dir(), "erts-#{:erlang.system_info(:version)}", "bin", "erl"])
    bin = Path.join([:code.root_dir(), "bin", "erl"])
    Enum.find([bin, erts], &File.regular?/1) || System.find_executable("erl")
  end

  # A release has this boot file beside its own, and no other.
  defp boot do
    with {:ok, [[boot]]} <- :init.get_argument(:boot),
         clean = Path.join(Path.dirname(to_string(boot)), "start_clean"),
         true <- File.regular?(clean <> ".boot") do
      ["-boot", clean, "-boot_var", "RELEASE_LIB", to_string(:code.lib_dir())]
    else
      _none -> []
    end
  end

  @impl GenServer
  def handle_info({port, {:exit_status, status}}, %{port: port} = state),
    do: {:stop, {:shutdown, {:exit_status, status}}, %{state | port: nil}}

  def handle_info({:DOWN, _monitor, :process, runner, _reason}, %{runner: runner} = state),
    do: {:stop, :normal, state}

  def handle_info(_other, state), do: {:noreply, state}

  @impl GenServer
  def terminate(reason, state) do
    if state.port != nil, do: stop(state)
    File.rm_rf(state.dir)
    Logger.info("#{state.name}, with the pid #{state.os_pid}, has ended: #{inspect(reason)}")
  end

  defp stop(%{port: port, os_pid: os_pid} = state) do
    Port.command(port, "stop")
    if not ended?(port, @stop_ms), do: kill(os_pid, state)
  rescue
    # The pipe is closed: it has ended just now.
    ArgumentError -> :ok
  end

  defp kill(os_pid, %{port: port, name: name}) do
    Logger.warning("#{name} has not ended within #{@stop_ms} ms of being told to: it is killed")
    signal("KILL", os_pid)
    ended?(port, @stop_ms)
  end

  defp ended?(port, timeout) do
    receive do
      {^port, {:exit_status, _status}} -> true
      {:EXIT, ^port, _reason} -> true
    after
      timeout -> false
    end
  end
end
