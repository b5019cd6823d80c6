defmodule PortWorker do
  @moduledoc """
  Recommendations from a Python worker that this node spawns and supervises.

      children = [
        {PortWorker, name: MyApp.Recommender, command: "/srv/port_worker/bin/worker", args: ["--home", "/var/lib/recommender"]}
      ]

      Supervisor.start_link(children, strategy: :one_for_one)

      {:ok, model} = PortWorker.retrain(MyApp.Recommender, algorithm: "ALS", on_progress: &IO.inspect/1)
      {:ok, %{items: [{item, score} | _]}} = PortWorker.recommend(MyApp.Recommender, user_id, n: 10)

  One worker serves any number of callers at once: calls are multiplexed by id, so do not pool workers to have more
  calls in flight. Every call answers `{:ok, result}` or `{:error, %PortWorker.Error{}}`, always within its `timeout:`;
  none exits, whatever becomes of the worker. Mistakes in options raise `ArgumentError`.

  ## Options of every call

    * `:timeout` - milliseconds, or `:infinity`. It is the deadline that the worker sees: what is past it is not begun,
      and the call is cancelled in the worker. Default 5 seconds, if not said otherwise
    * `:ref` - a `make_ref()` by which another process may `cancel/2` the call

  A caller that dies has its calls cancelled, too.

  ## Failure

  A worker that dies, or sends what the protocol does not allow, takes its connection process with it, after every
  caller in flight has been told (`:worker_down`, retryable). The supervisor then starts a new one; calls made while it
  boots wait for it, as far as their timeout goes.
  """

  alias PortWorker.{Call, Connection, Error, Options}

  @type server :: GenServer.server()
  @type id :: integer() | String.t() | {:uuid, <<_::128>>}
  @typedoc "Many values in one binary, little-endian; a UUID has 16 bytes."
  @type column :: {:int64 | :float32 | :uuid, binary()}
  @type result(value) :: {:ok, value} | {:error, Error.t()}

  @type recommendation :: %{
          items:
            [{integer() | String.t(), float()}]
            | %{ids: column() | [String.t()], scores: column()},
          model: String.t() | nil,
          source: :model | :popular,
          exhausted: boolean()
        }

  @doc """
  Starts a worker, linked to the caller. It returns before the worker has booted; calls wait for that.

    * `:command` - the worker's executable; the environment variable `PORT_WORKER_BIN` is the default
    * `:args` - its arguments, for instance `["--home", "/var/lib/recommender"]`
    * `:env` - names to strings, or to `nil` to unset one
    * `:cd` - the folder to run it in
    * `:name` - as of `GenServer`
    * `:max_in_flight` - unanswered calls, past which calls are refused as `:overloaded` (64). The worker's own limit
      holds where that is lower
    * `:boot_timeout` - milliseconds until the worker must have said hello (30,000). `bin/worker` installs what it
      needs on its very first run: run it once beforehand, or give it minutes
    * `:drain_timeout` - milliseconds that calls in flight are given to finish when the worker is stopped (1,000)
    * `:kill_after` - milliseconds that a worker whose pipes are closed has before it is killed (2,000)

  Raises `ArgumentError` where an option is not as expected.

      iex> PortWorker.start_link(command: "/bin/sh", max_in_flight: 0)
      ** (ArgumentError) expected :max_in_flight to be a positive integer, got: 0
  """
  @spec start_link(keyword()) :: GenServer.on_start()
  def start_link(options), do: options |> Options.validate!() |> Connection.start_link()

  @doc """
  A specification for a supervisor; the options are those of `start_link/1`, and `:id`.

  The supervisor gives it as long to shut down as draining and killing may take.
  """
  @spec child_spec(keyword()) :: Supervisor.child_spec()
  def child_spec(options) do
    {id, options} = Keyword.pop(options, :id, Keyword.get(options, :name) || __MODULE__)
    %{drain_timeout: drain, kill_after: kill} = Options.validate!(options)
    %{id: id, start: {__MODULE__, :start_link, [options]}, shutdown: drain + kill + 2_000}
  end

  @doc """
  The items that `user` is likely to want next, best first.

    * `:n` - how many (10)
    * `:exclude` - ids that must not be among them (`[]`): a list, or a column, `{:int64, binary}` or `{:uuid, binary}`
    * `:form` - `:pairs`, or `:columns` for `items: %{ids: {:uuid, binary}, scores: {:float32, binary}}`, which
      `Nx.from_binary/2` reads (`protocol/SPEC.md` has the layout)

  A user may also be `{:uuid, <<_::128>>}`, the same as its text. What the user has had already is left out. A user whom the model does not know gets the popular items, and `source`
  says `:popular`. `exhausted` is true where fewer than `n` were left to recommend.
  """
  @spec recommend(server(), id(), keyword()) :: result(recommendation())
  def recommend(server, user, options \\ []) do
    {args, options} = Keyword.split(options, [:n, :exclude, :form])
    call(server, :recommend, args |> Map.new() |> Map.put(:user, user), options, [])
  end

  @doc """
  Trains a model from the worker's data, then serves it. The worker goes on answering meanwhile.

    * `:algorithm` - its name, for instance `"ALS"`; the worker has a default
    * `:params` - hyper-parameters, as a keyword list or a map
    * `:on_progress` - a function that is called in this process with maps such as
      `%{phase: :fit, share: 0.4, epoch: 2, epochs: 5, loss: 0.31}`, or `{pid, ref}`, which is sent
      `{ref, {:progress, map}}`
    * `:timeout` - default `:infinity`

  One training runs at a time: a second one is refused as `:training_in_progress`.
  """
  @spec retrain(server(), keyword()) :: result(map())
  def retrain(server, options \\ []) do
    {args, options} = Keyword.split(options, [:algorithm, :params])
    args = args |> Map.new() |> Map.replace_lazy(:params, &hyperparameters/1)
    call(server, :retrain, args, Keyword.put_new(options, :timeout, :infinity), [:on_progress])
  end

  @doc "The versions that the worker has stored, newest first, and which one is active."
  @spec models(server(), keyword()) :: result(%{active: String.t() | nil, versions: [map()]})
  def models(server, options \\ []), do: call(server, :models, %{}, options, [])

  @doc "Answers `{:ok, :pong}` once the worker is up and reading."
  @spec ping(server(), keyword()) :: result(:pong)
  def ping(server, options \\ []), do: call(server, :ping, %{}, options, [])

  @doc "What the worker is doing: its state, memory, model, queue and training."
  @spec status(server(), keyword()) :: result(map())
  def status(server, options \\ []), do: call(server, :status, %{}, options, [])

  @doc """
  Makes the worker finish what it has and take no more: calls made later are refused as `:draining`.

  Answers once all is done. `:timeout` is 30 seconds by default.
  """
  @spec drain(server(), keyword()) :: result(%{completed: non_neg_integer()})
  def drain(server, options \\ []),
    do: call(server, :drain, %{}, Keyword.put_new(options, :timeout, 30_000), [])

  @doc """
  Cancels the call that was given `ref: ref`; it answers `:cancelled`. A call that is over is left alone.

      ref = make_ref()
      training = Task.async(fn -> PortWorker.retrain(server, algorithm: "RNN4Rec", ref: ref) end)
      PortWorker.cancel(server, ref)
      {:error, %PortWorker.Error{code: :cancelled}} = Task.await(training)
  """
  @spec cancel(server(), reference()) :: :ok
  def cancel(server, ref) when is_reference(ref), do: GenServer.cast(server, {:cancel, ref})

  @doc """
  Stops the worker: calls in flight may finish within `:drain_timeout`, then its pipes are closed, and after
  `:kill_after` it is killed. Its operating-system process is gone when this returns.

  Under a supervisor, terminate the child instead, or it is started again.
  """
  @spec stop(server()) :: :ok
  def stop(server) do
    GenServer.stop(server, :normal, :infinity)
  catch
    :exit, {reason, _call} when reason == :noproc or is_struct(reason, Error) -> :ok
  end

  defp call(server, op, args, options, allowed) do
    case Keyword.keys(options) -- [:timeout, :ref | allowed] do
      [] -> Call.run(server, Call.new(op, args, options))
      [key | _] -> raise ArgumentError, "unknown option #{inspect(key)} of #{op}"
    end
  end

  # Names of hyper-parameters come from people, so they are strings on the wire; :atoms are convenient here.
  defp hyperparameters(params), do: Map.new(params, fn {name, value} -> {to_string(name), value} end)
end
