defmodule PortWorker.Pool do
  @moduledoc """
  Several workers of one node behind one name.

      children = [
        {PortWorker.Pool, name: MyApp.Recommender, workers: 2, command: "/srv/port_worker/bin/worker", args: ["--home", home]}
      ]

      {:ok, %{items: items}} = PortWorker.recommend(MyApp.Recommender, user_id)

  One worker serves any number of callers, and answers them one model call after the other on one processor. A pool is for
  more than one processor can do, and for answers that go on while a worker is started again. All of its workers have the
  same options, and so the same home: what one is told of feedback and hidden items counts for all at once, a model
  that one trains is followed by the others, and the operating system keeps one copy of the model's arrays in memory
  for all.

  ## Calls

  The functions of `PortWorker` take a pool's name where they take a worker's. Each call goes to the worker that has the
  fewest, of those that are ready; where none is, to one that boots, where it waits as far as its timeout goes. The caller
  chooses by reading a table, so no process is in the way. A worker that is gone or drains isn't chosen; a call that it
  has refused because it drains goes on to another.

  Whoever had a call at a worker that dies is told so (`:worker_down`, retryable); callers of the others notice nothing.
  A call that may be made twice, as `PortWorker.recommend/3`, can be made again at once.

  Some calls are about more than one worker:

  | Call | With a pool |
  |---|---|
  | `PortWorker.retrain/2` | one worker trains, and one training of the pool runs at a time; the others follow within `PORT_WORKER_WATCH_SECONDS` |
  | `PortWorker.activate/3`, `PortWorker.rollback/2` | one worker after the other; answers when all serve the version |
  | `PortWorker.drain/2` | all workers at once: the pool takes no more. `restart/2` keeps answering |
  | `PortWorker.cancel/2` | at whichever worker the call is |
  | `PortWorker.stop/1` | all workers. Under a supervisor, terminate the child instead |
  | `PortWorker.status/2`, `PortWorker.ping/2` | of one worker, the least busy; `workers/1` has the pid of each |

  A name is known on the node of the pool. On other nodes, have a `PortWorker.Lease` or a `PortWorker.Fleet`, or
  call by `:erpc`.
  """

  use Supervisor

  @behaviour PortWorker.Route

  alias PortWorker.{Call, Deadline, Error, Route}
  alias PortWorker.Pool.{Dispatch, Keeper, Options, Roll, Table}

  @typedoc "What `workers/1` tells of one worker; `worker` is its place, from 1 on."
  @type worker :: %{worker: pos_integer(), pid: pid(), state: Table.state(), in_flight: non_neg_integer()}

  @doc """
  Starts a pool, linked to the caller. It returns before the workers have booted; `await_ready/2` waits for that.

    * `:name` - an atom by which it is called
    * `:workers` - how many
    * `:max_restarts`, `:max_seconds` - as of `Supervisor`, for all workers together (3 for each worker, in 5 seconds)

  All other options are of each worker: see `PortWorker.start_link/1`.

      iex> PortWorker.Pool.start_link(name: Shop, workers: 0, command: "/bin/sh")
      ** (ArgumentError) expected :workers to be a positive integer, got: 0
  """
  @spec start_link(keyword()) :: Supervisor.on_start()
  def start_link(options) do
    options = Options.validate!(options)
    Supervisor.start_link(__MODULE__, options, name: supervisor(options.name))
  end

  @doc "A specification for a supervisor; the options are those of `start_link/1`, and `:id`."
  @spec child_spec(keyword()) :: Supervisor.child_spec()
  def child_spec(options) do
    {id, options} = Keyword.pop(options, :id, Keyword.get(options, :name))
    Options.validate!(options)
    %{id: id, start: {__MODULE__, :start_link, [options]}, type: :supervisor}
  end

  @doc "The workers that run, what each does and how many calls it has. Asks no process."
  @spec workers(atom()) :: [worker()]
  def workers(pool) do
    table = Route.fetch!(pool, __MODULE__)

    for {slot, pid, state} <- Enum.sort(Table.workers(table)),
        do: %{worker: slot, pid: pid, state: state, in_flight: Table.in_flight(table, slot)}
  end

  @doc """
  Waits until all workers are ready; after `timeout`, in milliseconds or `:infinity`, this is `:deadline_exceeded`, with
  those that are not.
  """
  @spec await_ready(atom(), timeout()) :: :ok | {:error, Error.t()}
  def await_ready(pool, timeout \\ 60_000) do
    table = Route.fetch!(pool, __MODULE__)
    ready(table, Deadline.check!(timeout))
  end

  @doc """
  Starts the workers anew, one after the other, so that all but one of them answer at any time.

  Each is drained, stopped, started again and waited for before the next one's turn comes. `timeout` (in milliseconds)
  is how long a worker may take to drain, after which its calls end with it, and how long the next may take to be ready,
  after which this stops and answers `:deadline_exceeded`. `completed` counts the calls that the old workers have
  answered. It goes on if its caller dies.
  """
  @spec restart(atom(), timeout()) :: {:ok, %{completed: non_neg_integer()}} | {:error, Error.t()}
  def restart(pool, timeout \\ 60_000) do
    table = Route.fetch!(pool, __MODULE__)
    Deadline.check!(timeout)

    work = fn ->
      exit({:shutdown, Dispatch.alone(table, :rolling, fn -> Roll.restart(table, timeout) end)})
    end

    {pid, monitor} = spawn_monitor(work)

    receive do
      {:DOWN, ^monitor, :process, ^pid, {:shutdown, result}} -> result
      {:DOWN, ^monitor, :process, ^pid, _reason} -> {:error, Keeper.ended(pool)}
    end
  end

  # Calls: see PortWorker.Route.

  @doc false
  @impl Route
  def run(table, %Call{op: :retrain} = call),
    do: Dispatch.alone(table, :training, fn -> Dispatch.balance(table, call) end)

  def run(table, %Call{op: op} = call) when op in [:activate, :rollback],
    do: Dispatch.alone(table, :rolling, fn -> Roll.switch(table, call) end)

  def run(table, %Call{op: :drain} = call), do: Roll.drain(table, call)
  def run(table, call), do: Dispatch.balance(table, call)

  @doc false
  @impl Route
  defdelegate cancel(table, ref), to: Dispatch

  @doc false
  @impl Route
  defdelegate worker(table), to: Dispatch

  @doc false
  @impl Route
  def stop(table) do
    Supervisor.stop(supervisor(table.name))
  catch
    :exit, _gone -> :ok
  end

  @doc false
  @impl Route
  def ready(table, timeout), do: Keeper.await(table, Enum.to_list(1..table.size), timeout)

  # The tree: the table belongs to the supervisor, and so does not end with the keeper.
  #
  #     PortWorker.Pool (MyApp.Recommender.Supervisor)
  #     |- workers (MyApp.Recommender.Workers): PortWorker 1, PortWorker 2, ...
  #     `- keeper (MyApp.Recommender)

  @impl Supervisor
  def init(options) do
    table = Table.open(options.name, options.workers, __MODULE__)
    restarts = Map.to_list(Map.take(options, [:max_restarts, :max_seconds]))
    workers = for slot <- 1..options.workers, do: worker_spec(options, slot)

    children = [
      %{
        id: :workers,
        type: :supervisor,
        start:
          {Supervisor, :start_link,
           [workers, [strategy: :one_for_one, name: workers_name(options.name)] ++ restarts]}
      },
      {Keeper, table}
    ]

    Supervisor.init(children, strategy: :one_for_one)
  end

  defp worker_spec(options, slot) do
    spec = PortWorker.child_spec(options.worker)
    %{spec | id: slot, start: {__MODULE__, :start_worker, [options.name, slot, spec.start]}}
  end

  @doc false
  @spec start_worker(atom(), Table.slot(), {module(), atom(), [term()]}) :: GenServer.on_start()
  def start_worker(pool, slot, {module, function, arguments}) do
    with {:ok, pid} <- apply(module, function, arguments) do
      Keeper.started(pool, slot, pid)
      {:ok, pid}
    end
  end

  @doc false
  @spec children(Table.t()) :: [{Table.slot(), pid()}]
  def children(table) do
    for {slot, pid, _type, _modules} when is_pid(pid) <- Supervisor.which_children(workers_name(table.name)),
        do: {slot, pid}
  catch
    # They are being started again; each will tell.
    :exit, _reason -> []
  end

  @doc false
  @spec replace(atom(), Table.slot()) :: :ok | {:error, Error.t()}
  def replace(pool, slot) do
    # One that has died in the meantime is being started again, or already was.
    with :ok <- Supervisor.terminate_child(workers_name(pool), slot),
         {:error, reason} when reason not in [:running, :restarting] <-
           Supervisor.restart_child(workers_name(pool), slot) do
      {:error, Error.new(:worker_down, "worker #{slot} could not be started: #{inspect(reason)}")}
    else
      _started -> :ok
    end
  catch
    :exit, _reason -> {:error, Keeper.ended(pool)}
  end

  defp supervisor(name), do: Module.concat(name, Supervisor)
  defp workers_name(name), do: Module.concat(name, Workers)
end
