defmodule PortWorker.Lease do
  @moduledoc """
  A worker that runs on another machine, behind a name on this one.

      children = [
        {FLAME.Pool, name: MyApp.Runner, min: 0, max: 2, max_concurrency: 1, boot_timeout: 60_000},
        {PortWorker.Lease,
         name: MyApp.Recommender,
         placement: {PortWorker.Lease.Flame, pool: MyApp.Runner},
         command: "/srv/port_worker/bin/worker",
         args: ["--home", "/var/lib/recommender"]}
      ]

      :ok = PortWorker.Lease.await_ready(MyApp.Recommender, 120_000)
      {:ok, %{items: items}} = PortWorker.recommend(MyApp.Recommender, user_id)

  One process has a worker placed on a runner of [FLAME](https://hexdocs.pm/flame) (`PortWorker.Lease.Flame`) or on another
  node (`PortWorker.Lease.Node`). The functions of `PortWorker` take the lease's name where they take a worker's; a process
  of this node passes calls on to the worker's connection over there, which answers the callers directly. Nobody but the
  lease has to do with FLAME, whose callers die with a runner that they use.

  ## When the other node dies

  Calls in flight are answered `:worker_down`, retryable, as soon as this node knows. The lease has a worker placed anew at
  once, or after a back-off where one can't be placed or doesn't come up. Meanwhile calls are answered `:worker_down` without
  delay, so that a caller can do without; once a worker is placed, calls wait for it to boot, as far as their timeout goes.
  A node that can't be heard of, but was not seen to die, costs a call its timeout, and no more: what the way there has no
  room for waits on this node, `:max_queue` calls at most, and then is `:overloaded`. After `:lost_after` the worker counts
  as lost, which is as if it had died; it is stopped as soon as it can be heard of. (The node itself counts as dead when
  `net_ticktime` of `:kernel` says so, which is a minute.)

  When this node or the lease dies, the worker over there stops. For several workers behind one name see `PortWorker.Fleet`.

  `global` may disconnect healthy nodes when one dies: FLAME's runners want
  `-kernel prevent_overlapping_partitions false` in `rel/vm.args.eex`.
  """

  @behaviour PortWorker.Route

  alias PortWorker.{Call, Deadline, Error, Route}
  alias PortWorker.Lease.{Holder, Options}

  @doc """
  Starts a lease, linked to the caller. It returns before a worker is placed; `await_ready/2` waits for one.

    * `:name` - an atom by which it is called
    * `:placement` - a `PortWorker.Lease.Placement` with its options
    * `:place_timeout` - milliseconds that placing may take, the boot of a runner among it (60,000)
    * `:lost_after` - milliseconds for which the other node may say nothing before its worker counts as lost, or
      `:infinity` (5,000). It is pinged four times as often
    * `:backoff_min`, `:backoff_max` - milliseconds before it is tried again after a failure, twice as many each time
      (100 to 5,000)

  All other options are the worker's: see `PortWorker.start_link/1`. Its `:command` is that of the other node.

      iex> PortWorker.Lease.start_link(name: Shop, placement: {PortWorker.Lease.Flame, pool: MyApp.Runner})
      ** (ArgumentError) FLAME is not loaded: add {:flame, "~> 0.5"} to the dependencies in mix.exs
  """
  @spec start_link(keyword()) :: GenServer.on_start()
  def start_link(options), do: options |> Options.validate!() |> Holder.start_link()

  @doc "A specification for a supervisor; the options are those of `start_link/1`, and `:id`."
  @spec child_spec(keyword()) :: Supervisor.child_spec()
  def child_spec(options) do
    {id, options} = Keyword.pop(options, :id, Keyword.get(options, :name))
    %{shutdown: shutdown} = Options.validate!(options)
    %{id: id, start: {__MODULE__, :start_link, [options]}, shutdown: shutdown + 1_000}
  end

  @doc """
  Waits until a worker is placed and ready.

  After `timeout`, in milliseconds or `:infinity`, this is `:worker_down` with what stands in the way if none is placed, or
  `:deadline_exceeded` if one is.
  """
  @spec await_ready(atom(), timeout()) :: :ok | {:error, Error.t()}
  def await_ready(lease, timeout \\ 60_000),
    do: lease |> Route.fetch!(__MODULE__) |> Holder.await(Deadline.check!(timeout))

  @doc "The process on the other node that has the worker, as it was placed last. Asks no process."
  @spec connection(atom()) :: {:ok, pid()} | {:error, Error.t()}
  def connection(lease) do
    with {:ok, placed} <- lease |> Route.fetch!(__MODULE__) |> Holder.placed(), do: {:ok, placed.connection}
  end

  # Calls: see PortWorker.Route.

  @doc false
  @impl Route
  def run(name, call) do
    with {:ok, proxy} <- worker(name), do: Call.run(proxy, call)
  end

  @doc false
  @impl Route
  def ready(name, timeout), do: Holder.await(name, timeout)

  @doc false
  @impl Route
  def worker(name) do
    with {:ok, placed} <- Holder.placed(name), do: {:ok, placed.proxy}
  end

  @doc false
  @impl Route
  def cancel(name, ref) do
    with {:ok, proxy} <- worker(name), do: PortWorker.cancel(proxy, ref)
    :ok
  end

  @doc false
  @impl Route
  def stop(name) do
    GenServer.stop(name)
  catch
    :exit, _gone -> :ok
  end
end
