defmodule PortWorker.Fleet do
  @moduledoc """
  Several workers on other machines behind one name: as many as the load needs.

      children = [
        {FLAME.Pool, name: MyApp.Runner, min: 0, max: 5, max_concurrency: 1, boot_timeout: 60_000},
        {PortWorker.Fleet,
         name: MyApp.Recommender,
         min: 1,
         max: 4,
         placement: {PortWorker.Lease.Flame, pool: MyApp.Runner},
         command: "/srv/port_worker/bin/worker",
         args: ["--home", "/tmp/recommender"],
         env: [{"PORT_WORKER_STORE", "s3://my-bucket/recommender"}]}
      ]

      :ok = PortWorker.Fleet.await_ready(MyApp.Recommender, 120_000)
      {:ok, %{items: items}} = PortWorker.recommend(MyApp.Recommender, user_id)

  Each worker is a `PortWorker.Lease`'s, of which the fleet has from `:min` to `:max`. What is said there of nodes that die,
  or can't be heard of, holds for each; callers of the others notice nothing.

  ## Calls

  The functions of `PortWorker` take a fleet's name where they take a worker's. Each call goes to the worker that has the
  fewest, of those that are ready, as in a `PortWorker.Pool`; one that a worker refuses because it drains goes on to another.

  | Call | With a fleet |
  |---|---|
  | `PortWorker.retrain/2` | one worker trains, and one training of the fleet runs at a time; the others follow through the store that they share (`PORT_WORKER_STORE`), within `PORT_WORKER_WATCH_SECONDS` |
  | `PortWorker.activate/3`, `PortWorker.rollback/2` | one worker after the other; answers when all serve the version |
  | `PortWorker.feedback/3`, `PortWorker.hide_items/3`, `PortWorker.show_items/3` | all workers that are ready, at once, since each keeps that in a home of its own. With `home: :shared` one of them |
  | `PortWorker.drain/2` | all workers at once: the fleet takes no more, and changes no more |
  | `PortWorker.cancel/2` | at whichever worker the call is |
  | `PortWorker.stop/1` | all workers. Under a supervisor, terminate the child instead |
  | `PortWorker.status/2`, `PortWorker.ping/2` | of one worker, the least busy |

  A worker that comes later knows nothing of the feedback and the hidden items that those before it were told, unless its home
  has them. `[:port_worker, :lease, :ready]` says that one has come (see `PortWorker.Telemetry`); the lease's name, `server` in
  the metadata, is that of this one worker, so tell it what matters by that.

  ## Growing and shrinking

  Its utilisation is the calls in flight, smoothed over a second, as a share of `:capacity` for each worker. Where it stays
  above `:grow_at` for `:grow_after`, and all leases are ready, there will be as many as it takes to be below, at most twice
  as many at a time. Where fewer would do even at half of `:grow_at`, for `:idle_shutdown_after`, the others go: each is
  called no more, finishes what it has, and ends. No call is cut, and none goes while one of them trains.

  A lease that waits for its runner counts as one that will be ready. Give a `FLAME.Pool` room for one runner more than
  `:max`, since one that has died or can't be heard of may count for a while.
  """

  use Supervisor

  @behaviour PortWorker.Route

  alias PortWorker.{Call, Deadline, Error, Lease, Route}
  alias PortWorker.Fleet.{Options, Scaler}
  alias PortWorker.Pool.{Dispatch, Keeper, Roll, Table}

  @typedoc """
  What `leases/1` tells of one. It is `:placing` as long as it has no worker, and then on no node; `name` takes calls for this
  one worker.
  """
  @type lease :: %{
          name: atom(),
          node: node() | nil,
          state: :placing | Table.state(),
          in_flight: non_neg_integer()
        }

  @doc """
  Starts a fleet, linked to the caller. It returns before any worker is placed; `await_ready/2` waits for that.

    * `:name` - an atom by which it is called
    * `:min`, `:max` - how many leases it has at least (1) and at most
    * `:capacity` - how many calls in flight are one worker's full use (its `:max_in_flight`, 64)
    * `:grow_at` - the share of that above which there should be more workers (0.7)
    * `:grow_after` - milliseconds for which that has to hold (5,000)
    * `:idle_shutdown_after` - milliseconds for which fewer have to be enough before some go (30,000)
    * `:home` - `:own` where each worker has one, as on machines of their own (default); `:shared` where all have the same

  All other options are of each lease: see `PortWorker.Lease.start_link/1`.

      iex> PortWorker.Fleet.start_link(name: Shop, min: 2, max: 1, placement: {PortWorker.Lease.Node, nodes: [:a@b], supervisor: S})
      ** (ArgumentError) expected :max to be an integer not below :min, got: 1
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

  @doc "The leases that there are. Asks no process."
  @spec leases(atom()) :: [lease()]
  def leases(fleet) do
    table = Route.fetch!(fleet, __MODULE__)
    states = for {slot, _pid, state} <- Table.workers(table), into: %{}, do: {slot, state}

    for slot <- slots(table) do
      name = Options.lease_name(fleet, slot)
      state = Map.get(states, slot, :placing)
      %{name: name, node: node_of(name), state: state, in_flight: Table.in_flight(table, slot)}
    end
  end

  defp node_of(lease),
    do: with({:ok, %{connection: pid}} <- Lease.Holder.placed(lease), do: node(pid), else: (_ -> nil))

  @doc """
  Waits until `:min` workers are ready; after `timeout`, in milliseconds or `:infinity`, this is `:deadline_exceeded`.
  """
  @spec await_ready(atom(), timeout()) :: :ok | {:error, Error.t()}
  def await_ready(fleet, timeout \\ 60_000),
    do: fleet |> Route.fetch!(__MODULE__) |> ready(Deadline.check!(timeout))

  # Calls: see PortWorker.Route.

  @doc false
  @impl Route
  def run(table, %Call{op: :retrain} = call),
    do: Dispatch.alone(table, :training, fn -> Dispatch.balance(table, call) end)

  def run(table, %Call{op: op} = call) when op in [:activate, :rollback],
    do: Dispatch.alone(table, :rolling, fn -> Roll.switch(table, call) end)

  def run(table, %Call{op: op} = call) when op in [:feedback, :hide_items, :show_items] do
    case lookup(table, :home) do
      :own -> Roll.tell(table, call)
      _shared -> Dispatch.balance(table, call)
    end
  end

  def run(table, %Call{op: :drain} = call) do
    insert(table, :drained, true)
    Roll.drain(table, call)
  end

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
  def ready(table, timeout), do: Keeper.await(table, lookup(table, :min) || 1, timeout)

  # The tree: the table belongs to the supervisor, and so ends with nobody else.
  #
  #     PortWorker.Fleet (MyApp.Recommender.Supervisor)
  #     |- leases (MyApp.Recommender.Leases): MyApp.Recommender.Lease1, MyApp.Recommender.Lease2, ...
  #     |- keeper (MyApp.Recommender)
  #     `- scaler

  @impl Supervisor
  def init(options) do
    table = Table.open(options.name, options.scaling.max, __MODULE__)
    insert(table, :home, options.home)
    insert(table, :min, options.scaling.min)

    children = [
      {DynamicSupervisor, name: leases_name(options.name), strategy: :one_for_one},
      {Keeper, table},
      {Scaler, {table, options}}
    ]

    Supervisor.init(children, strategy: :one_for_one)
  end

  @doc false
  @spec slots(Table.t()) :: [Table.slot()]
  def slots(table),
    do: for(slot <- 1..table.size, Process.whereis(Options.lease_name(table.name, slot)), do: slot)

  @doc false
  @spec children(Table.t()) :: [{Table.slot(), pid()}]
  def children(table) do
    for slot <- 1..table.size,
        {:ok, %{proxy: proxy}} <- [Lease.Holder.placed(Options.lease_name(table.name, slot))],
        do: {slot, proxy}
  end

  @doc false
  @spec drained?(Table.t()) :: boolean()
  def drained?(table), do: lookup(table, :drained) == true

  @doc false
  @spec leases_name(atom()) :: atom()
  def leases_name(name), do: Module.concat(name, Leases)

  defp supervisor(name), do: Module.concat(name, Supervisor)

  defp insert(table, key, value), do: :ets.insert(table.name, {key, value})

  defp lookup(table, key) do
    case :ets.lookup(table.name, key) do
      [{^key, value}] -> value
      [] -> nil
    end
  rescue
    # It has ended.
    ArgumentError -> nil
  end
end
