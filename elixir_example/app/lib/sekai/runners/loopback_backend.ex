defmodule Sekai.Runners.LoopbackBackend do
  @moduledoc """
  A `FLAME.Backend` for development and tests: each runner is another BEAM on this machine.

  `FLAME.LocalBackend` runs everything in one BEAM, where nothing is ever lost, slow to start or on the other side of a
  connection. This one has real runners that can be killed, so that what happens in production happens here first.

      config :flame, :backend, Sekai.Runners.LoopbackBackend
      config :flame, Sekai.Runners.LoopbackBackend, dir: "/tmp/sekai_runners"

    * `:app` - the application that a runner starts (`:sekai`)
    * `:dir` - the folder in which each runner has one of its own, as its working directory, its disk so to say. It is
      removed with the runner (`sekai_runners` in the folder for temporary files)
    * `:env` - a map of environment variables that runners have on top of this BEAM's

  A runner gets the code paths and the environments of all applications from this BEAM. It is reached by the loopback
  interface alone and listens on no port: it is the one that connects, with this node's cookie, and as a hidden node, so
  that neither `:global` nor `:pg` counts it as one of the cluster. What it prints goes where this BEAM's output goes.

  Runners end with whoever needs them, in any of three ways: `FLAME.Terminator` stops one that finds no parent or loses it;
  `Machine` stops one whose `FLAME.Runner` is gone, by signal if need be; and the pipe between the two BEAMs ends one
  whose parent was killed.

  Two things have to be there first, which `Sekai.Runners` sees to: this node is a distributed one (`Distribution`), and
  `Machine.Supervisor` runs. It is for Unix.
  """

  @behaviour FLAME.Backend

  alias Sekai.Runners.LoopbackBackend.Machine

  @options [:app, :dir, :env, :boot_timeout, :terminator_sup, :log]

  @enforce_keys [:app, :dir, :env, :boot_timeout]
  defstruct @enforce_keys ++ [:node]

  @type t :: %__MODULE__{
          app: atom(),
          dir: Path.t(),
          env: %{String.t() => String.t()},
          boot_timeout: pos_integer(),
          node: node() | nil
        }

  @doc "The folder in which runners have theirs, if nothing else is said."
  @spec default_dir() :: Path.t()
  def default_dir, do: Path.join(System.tmp_dir!(), "sekai_runners")

  @impl FLAME.Backend
  def init(options) do
    given = Keyword.merge(Application.get_env(:flame, __MODULE__, []), options)
    options = Keyword.validate!(given, @options)

    if Node.alive?() do
      {:ok,
       %__MODULE__{
         app: Keyword.get(options, :app, :sekai),
         dir: Keyword.get_lazy(options, :dir, &default_dir/0),
         env: Keyword.get(options, :env, %{}),
         boot_timeout: Keyword.get(options, :boot_timeout, 30_000)
       }}
    else
      {:error, :this_node_is_not_distributed}
    end
  end

  # Runs in the `FLAME.Runner`, whom the terminator over there tells that it is up.
  @impl FLAME.Backend
  def remote_boot(state) do
    until = now() + state.boot_timeout
    ref = make_ref()
    parent = ref |> FLAME.Parent.new(self(), __MODULE__, "runner", nil) |> FLAME.Parent.encode()

    with {:ok, machine} <- Machine.start(%{app: state.app, dir: state.dir, env: env(state, parent)}),
         {:ok, terminator} <- await_up(ref, machine, until),
         :ok <- start_app(node(terminator), state.app, until) do
      {:ok, terminator, %{state | node: node(terminator)}}
    end
  end

  defp env(state, parent), do: Map.merge(state.env, %{"FLAME_PARENT" => parent, "PHX_SERVER" => "false"})

  defp await_up(ref, machine, until) do
    monitor = Process.monitor(machine)

    receive do
      {^ref, {:remote_up, terminator}} -> {:ok, terminator}
      {:DOWN, ^monitor, :process, ^machine, reason} -> {:error, {:runner_ended, reason}}
    after
      left(until) -> {:error, :boot_timeout}
    end
  end

  # FLAME waits for the application in a release only.
  defp start_app(node, app, until) do
    case :erpc.call(node, :application, :ensure_all_started, [app], left(until)) do
      {:ok, _started} -> :ok
      {:error, {app, reason}} -> {:error, {:application_not_started, app, reason}}
    end
  catch
    :error, {:erpc, reason} -> {:error, {:runner_ended, reason}}
  end

  defp left(until), do: max(0, until - now())
  defp now, do: System.monotonic_time(:millisecond)

  @impl FLAME.Backend
  def remote_spawn_monitor(%{node: node}, fun) when is_function(fun, 0),
    do: {:ok, Node.spawn_monitor(node, fun)}

  def remote_spawn_monitor(%{node: node}, {module, fun, args}),
    do: {:ok, Node.spawn_monitor(node, module, fun, args)}

  # Runs over there.
  @impl FLAME.Backend
  def system_shutdown, do: System.stop()

  # That the machine is gone is seen by its connection, too, and that counts.
  @impl FLAME.Backend
  def handle_info(_message, state), do: {:noreply, state}
end
