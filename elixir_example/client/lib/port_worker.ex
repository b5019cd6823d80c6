defmodule PortWorker do
  @moduledoc """
  Recommendations from a Python worker that this node spawns and supervises.

      children = [
        {PortWorker, name: MyApp.Recommender, command: "/srv/port_worker/bin/worker", args: ["--home", "/var/lib/recommender"]}
      ]

      Supervisor.start_link(children, strategy: :one_for_one)

      {:ok, model} = PortWorker.retrain(MyApp.Recommender, algorithm: "ALS", on_progress: &IO.inspect/1)
      {:ok, %{items: [{item, score} | _]}} = PortWorker.recommend(MyApp.Recommender, user_id, n: 10)
      {:ok, _counts} = PortWorker.feedback(MyApp.Recommender, %{user: user_id, item: item})

  One worker serves any number of callers at once: calls are multiplexed by id, so do not pool workers to have more
  calls in flight. Every call answers `{:ok, result}` or `{:error, %PortWorker.Error{}}`, always within its `timeout:`;
  none exits, whatever becomes of the worker. Mistakes in options raise `ArgumentError`. Each call has a twin with a `!`
  that returns the result alone, or raises the error.

  ## Options of every call

    * `:timeout` - milliseconds, or `:infinity`. It is the deadline that the worker sees: what is past it is not begun,
      and the call is cancelled in the worker. Default 5 seconds, if not said otherwise
    * `:ref` - a `make_ref()` by which another process may `cancel/2` the call. It is of one call at a time: another one
      with the same is refused as `:invalid_argument` until that is over

  A caller that dies has its calls cancelled, too.

  ## Overload

  The worker has no more than `:max_in_flight` calls at a time. Up to `:max_queue` more wait in the connection, each as
  long as its timeout permits, and are sent in their order; what comes on top is refused at once as `:overloaded`. A call
  that was given up counts as in flight until the worker has said that it is over, or had `:hang_after` to say so.

  ## Readiness and liveness

  `start_link/1` returns before the worker has booted: `await_ready/2` waits until it can answer, `ready?/1` says whether
  it can. A worker that is ready may be busy, and answers pings all the same; one that answers none for `:hang_after` is
  killed.

  ## Failure

  A worker that dies, hangs, or sends what the protocol does not allow takes its connection process with it, after every
  caller has been told (`:worker_down`, `:worker_hung`, `:malformed_frame`: all retryable). The supervisor then starts a
  new one; calls made while it boots wait for it, as far as their timeout goes. It boots at once, unless the one before
  had not been ready for five seconds and the one before that neither: then it waits for `:backoff_min`, and next time
  five times as long, up to `:backoff_max`. The count is in the specification of the child, so it holds for workers that
  are started by `child_spec/1`; with the defaults a supervisor's own limit of three restarts in five seconds is kept.

  ## Logs

  Events of the worker become messages of `Logger`, `:info` or `:warning`, with the metadata `port_worker` (the name or
  pid of the connection), `os_pid` and `event`. The option `:stderr` does the same with what it writes there.
  `PortWorker.Telemetry` has the events of this library.

  ## Guides

    * [Getting started](getting-started.md): from a Phoenix application to a recommendation on the screen
    * [Deadlines and overload](deadlines-and-overload.md), [Retraining](retraining.md), [Upgrading](upgrading.md)
    * [Pools](pools.md): several workers; [FLAME](flame.md): a worker on another machine; [Fleets](fleets.md): as many as
      the load needs
  """

  import PortWorker.Bang

  alias PortWorker.{Backoff, Call, Connection, Error, Options, Route, Telemetry, Training}

  @typedoc "A worker's connection, or the name of a `PortWorker.Pool`, a `PortWorker.Lease` or a `PortWorker.Fleet`."
  @type server :: GenServer.server()
  @typedoc "Of a user or an item: as it is in the data. A UUID's 16 bytes are the same id as its text."
  @type id :: integer() | String.t() | {:uuid, <<_::128>>}
  @typedoc "Many values in one binary, little-endian; a UUID has 16 bytes."
  @type column :: {:int64 | :float32 | :uuid | :int32 | :uint8, binary()}
  @typedoc "Many ids: one by one, or `{:int64, binary}` or `{:uuid, binary}`. See `PortWorker.Columns`."
  @type ids :: [id()] | column()
  @typedoc "Where scores are from: the user as the model learnt them, their later interactions, features, or nothing."
  @type source :: :model | :fold_in | :features | :popular
  @typedoc "Ids with their scores, best first: pairs, or two columns with `form: :columns`."
  @type ranking ::
          [{integer() | String.t(), float()}] | %{ids: column() | [String.t()], scores: column()}
  @typedoc "What every call answers; none raises or exits for what becomes of the worker."
  @type result(value) :: {:ok, value} | {:error, Error.t()}

  @typedoc "What `recommend/3` answers."
  @type recommendation :: %{
          items: ranking(),
          model: String.t(),
          source: source(),
          exhausted: boolean(),
          scored: non_neg_integer(),
          ignored: [String.t()]
        }

  @typedoc "What `recommend_many/3` answers; `PortWorker.Columns.users/1` reads it."
  @type recommendations :: %{
          ids: column() | [String.t()],
          items: column(),
          scores: column(),
          sources: column(),
          source_names: [source()],
          n: pos_integer(),
          model: String.t()
        }

  @doc """
  Starts a worker, linked to the caller. It returns before the worker has booted; calls wait for that.

    * `:command` - the worker's executable; the environment variable `PORT_WORKER_BIN` is the default
    * `:args` - its arguments, for instance `["--home", "/var/lib/recommender"]`
    * `:env` - names to strings, or to `nil` to unset one
    * `:cd` - the folder to run it in
    * `:stderr` - `:inherit`: what the worker writes there goes to the stderr of this node (default). Or a level of
      `Logger`: each line becomes a message of that level, through a named pipe and `cat`. It has the metadata
      `port_worker` and `source: :stderr`; no more than 200 lines a second are logged, and a worker that writes them
      quicker than they can be counted is ended (`:flooded`)
    * `:name` - as of `GenServer`
    * `:max_in_flight` - how many calls the worker has at a time (64). The worker's own limit holds where that is lower
    * `:max_queue` - how many calls wait when it has so many; what comes on top is refused as `:overloaded` (1,000)
    * `:boot_timeout` - milliseconds until the worker must have said hello (30,000). `bin/worker` installs what it
      needs on its very first run: run it once beforehand, or give it minutes
    * `:hang_after` - milliseconds without an answer to a ping after which the worker is killed (30,000), or `:infinity`.
      The connection pings it by itself when half of that has passed since the last answer. A call that was given up
      that long ago (half a minute with `:infinity`) and that the worker has not ended no longer counts as in flight
    * `:drain_timeout` - milliseconds that calls in flight are given to finish when the worker is stopped (1,000)
    * `:kill_after` - milliseconds that a worker whose pipes are closed has before it is killed (2,000). Under a
      supervisor, the old worker and the new one are in memory together for no longer
    * `:backoff_min`, `:backoff_max` - milliseconds that it waits before it boots when it has ended soon again and again
      (1,000 and 30,000)

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

    # Checked here once: a restart that raised, since the command is being replaced just then, would be no life that the
    # back-off counts, and take the supervisor down.
    options = %{Options.validate!(options) | backoff: Backoff.new()}
    shutdown = options.drain_timeout + options.kill_after + 2_000
    %{id: id, start: {Connection, :start_link, [options]}, shutdown: shutdown}
  end

  @doc """
  Waits until the worker is ready. Answers what it says of itself: `model`, `ops`, `limits`, `worker`, `os_pid`.

  Where it ends before it is ready, this answers why. Until then it takes a place in the queue, as a call does.
  `timeout` is in milliseconds, or `:infinity`.
  """
  @spec await_ready(server(), timeout()) :: result(map())
  def await_ready(server, timeout \\ 60_000), do: Route.await_ready(server, timeout)

  @doc "As `await_ready/2`, but returns the result, or raises the `PortWorker.Error`."
  @spec await_ready!(server(), timeout()) :: map()
  def await_ready!(server, timeout \\ 60_000), do: unwrap!(await_ready(server, timeout))

  @doc "Whether the worker can answer now: it has booted and has not ended."
  @spec ready?(server()) :: boolean()
  def ready?(server), do: match?({:ok, %{phase: :ready}}, info(server))

  @typedoc """
  What a connection knows by itself. `in_flight`: calls that the worker has; `waiting`: those that are not sent yet;
  `facts`: what the worker said of itself, with the model that is active now; `nil` before it is ready.
  """
  @type info :: %{
          phase: :delayed | :booting | :ready,
          os_pid: pos_integer() | nil,
          in_flight: non_neg_integer(),
          waiting: non_neg_integer(),
          max_in_flight: pos_integer(),
          max_queue: non_neg_integer(),
          facts: map() | nil
        }

  @doc "What the connection knows without asking the worker, at once even when that is busy or boots."
  @spec info(server()) :: result(info())
  def info(server) do
    with {:ok, worker} <- Route.worker(server),
         %{} = info <- GenServer.call(worker, :info),
         do: {:ok, info}
  catch
    :exit, {:timeout, _call} -> {:error, Error.new(:deadline_exceeded, "the connection did not answer")}
    :exit, _reason -> {:error, Error.new(:worker_down, "no worker runs as #{inspect(server)}")}
  end

  @doc """
  The items that `user` is likely to want next, best first.

    * `:n` - how many (10)
    * `:exclude` - ids that must not be among them (`[]`): a list, or a column, `{:int64, binary}` or `{:uuid, binary}`
    * `:kinds` - names of the kinds of which they are to be, for instance `["map", "avatar"]` (any)
    * `:filter_consumed` - whether what the user has had already is left out (`true`)
    * `:diversity` - from 0.0, by score alone, to 1.0, as unlike each other as can be (0.0)
    * `:recent` - ids of what the user had last, oldest first, in place of what the worker knows of it
    * `:features` - of a user whom the model does not know: a map or keyword list of names to strings, numbers or
      booleans
    * `:form` - `:pairs`, or `:columns` for `items: %{ids: {:uuid, binary}, scores: {:float32, binary}}`, which
      `Nx.from_binary/2` reads (`protocol/SPEC.md` has the layout)

  A user may also be `{:uuid, <<_::128>>}`, the same as its text. A user of whom nothing is known gets the popular items,
  and `source` says `:popular`. `exhausted` is true where fewer than `n` were left to recommend; `ignored` names what of
  the call the model did not know, as `"recent[3]"`. Not every model has every option: `:unsupported_option` says so.
  """
  @spec recommend(server(), id(), keyword()) :: result(recommendation())
  def recommend(server, user, options \\ []) do
    names = [:n, :exclude, :form, :kinds, :filter_consumed, :diversity, :recent, :features]
    {args, options} = arguments(options, names)
    call(server, :recommend, args |> named(:features) |> Map.put(:user, user), options)
  end

  @doc """
  What `recommend/3` answers, for as many as 100,000 users at a time, as columns.

      {:ok, found} = PortWorker.recommend_many(server, users, n: 20)

      users
      |> Stream.zip(PortWorker.Columns.users(found))
      |> Enum.each(fn {user, %{items: items, source: source}} -> store(user, items, source) end)

  `users` is a list of ids or a column of them. Options are `:n`, `:exclude`, `:kinds` and `:filter_consumed` of
  `recommend/3`, which hold for each user; `:timeout` is a minute by default. Other calls are answered meanwhile. Where
  `8 * n` bytes a user are more than a frame (16 MiB), it is `:reply_too_large`: ask for fewer at a time.
  """
  @spec recommend_many(server(), ids(), keyword()) :: result(recommendations())
  def recommend_many(server, users, options \\ []) do
    {args, options} = arguments(options, [:n, :exclude, :kinds, :filter_consumed])

    call(
      server,
      :recommend_many,
      Map.put(args, :users, users),
      Keyword.put_new(options, :timeout, 60_000)
    )
  end

  @doc """
  The items that are most like `item`, which is not among them.

    * `:metric` - `:cosine`, or `:dot`, which favours what is popular (`:cosine`)
    * `:n`, `:kinds`, `:exclude`, `:form` - as of `recommend/3`

  An item that the model does not know is `:unknown_item`.
  """
  @spec similar(server(), id(), keyword()) ::
          result(%{items: ranking(), model: String.t(), metric: :cosine | :dot, exhausted: boolean()})
  def similar(server, item, options \\ []) do
    {args, options} = arguments(options, [:n, :metric, :kinds, :exclude, :form])
    call(server, :similar, Map.put(args, :item, item), options)
  end

  @doc """
  How much `user` is expected to like each of `items`, in their order; `nil` for one that the model does not know.

  `items` is a list of ids or a column. With `form: :columns` the scores are a column, with NaN for what is unknown. Scores
  compare items for one user only.
  """
  @spec score(server(), id(), ids(), keyword()) ::
          result(%{scores: [float() | nil] | column(), source: source(), model: String.t()})
  def score(server, user, items, options \\ []) do
    {args, options} = arguments(options, [:form])
    call(server, :score, Map.merge(args, %{user: user, items: items}), options)
  end

  @doc """
  Which of the user's own items speak most for `item`, with how much each contributes, largest first.

  `:n` says how many (5).
  `method` is `:exact` where the contributions of all of them make up the score, else `:similarity`.
  """
  @spec explain(server(), id(), id(), keyword()) ::
          result(%{
            items: [{integer() | String.t(), float()}],
            score: float(),
            source: source(),
            model: String.t(),
            method: :exact | :similarity
          })
  def explain(server, user, item, options \\ []) do
    {args, options} = arguments(options, [:n])
    call(server, :explain, Map.merge(args, %{user: user, item: item}), options)
  end

  @doc """
  Tells the worker what users have met since the training: it shows in the next recommendation, and outlives a restart.

      PortWorker.feedback(server, %{user: user, item: item})
      PortWorker.feedback(server, %{user: user, item: item, weight: 2.5, time: System.os_time(:second)})
      PortWorker.feedback(server, %{users: users, items: items, weights: weights, times: times})

  One interaction, or many: lists or columns of one length, up to 100,000. A `weight` is 1.0 where none is given; 0 or
  below means met, but not liked. A `time`, Unix seconds, is now where none is given. A call that got no answer may have
  been taken all the same, and what is told twice counts twice.

  `unknown_users` and `unknown_items` count what the model does not know; it is kept all the same.
  """
  @spec feedback(server(), map() | keyword(), keyword()) ::
          result(%{
            accepted: non_neg_integer(),
            unknown_users: non_neg_integer(),
            unknown_items: non_neg_integer(),
            stored: non_neg_integer()
          })
  def feedback(server, interactions, options \\ []),
    do: call(server, :feedback, Map.new(interactions), options)

  @doc """
  Takes items out of every answer from now on, whatever is trained or restarted, until `show_items/3`.

  `items` is a list of ids or a column. Once this answers, no call that is answered later has them.
  """
  @spec hide_items(server(), ids(), keyword()) ::
          result(%{changed: non_neg_integer(), hidden: non_neg_integer(), unknown: non_neg_integer()})
  def hide_items(server, items, options \\ []), do: call(server, :hide_items, %{items: items}, options)

  @doc "Undoes `hide_items/3`, and answers as it does."
  @spec show_items(server(), ids(), keyword()) ::
          result(%{changed: non_neg_integer(), hidden: non_neg_integer(), unknown: non_neg_integer()})
  def show_items(server, items, options \\ []), do: call(server, :show_items, %{items: items}, options)

  @doc """
  Trains a model from the worker's data, then serves it. The worker goes on answering meanwhile.

    * `:algorithm` - its name, for instance `"ALS"`; the worker has a default
    * `:params` - hyper-parameters, as a keyword list or a map
    * `:retriever` and `:ranker` - names of two algorithms, in place of `:algorithm`: the ranker orders the items that the
      retriever finds. `:params` are the ranker's then, `:retriever_params` the retriever's
    * `:candidates` - how many items the ranker is given (500)
    * `:source` - a name of the worker's configuration, in place of its default
    * `:mode` - `:full`, `:incremental` (the active model learns what is newer) or `:warm` (it learns everything anew)
    * `:epochs`, `:seed` - in place of the hyper-parameters of those names
    * `:budget_s` - seconds after which no further epoch begins
    * `:activate` - `:gated` (default: the model answers if it is good enough), `:force` or `:never`
    * `:on_progress` - a function that is called in this process with maps such as
      `%{phase: :fit, share: 0.4, epoch: 2, epochs: 5, loss: 0.31}`, or `{pid, ref}`, which is sent
      `{ref, {:progress, map}}`
    * `:timeout` - default `:infinity`

  Answers with `activated: false`, a `reason` and the figures if the model was not good enough: the previous one goes on
  then. One training runs at a time: a second one is refused as `:training_in_progress`.
  """
  @spec retrain(server(), keyword()) :: result(map())
  def retrain(server, options \\ []), do: run(server, retrain_call(options))

  @doc """
  As `retrain/2`, but returns at once, with a handle. See `PortWorker.Training` for the messages that come.

      training = PortWorker.retrain_async(server, algorithm: "ALS", on_progress: &IO.inspect/1)
      {:ok, %{activated: true}} = PortWorker.await_retrain(training)

  `:on_progress` is called in a process of its own; where it raises, the training is given up, and the answer is
  `:progress_failed`. When the process that calls this ends, the training is cancelled.
  """
  @spec retrain_async(server(), keyword()) :: Training.t()
  def retrain_async(server, options \\ []), do: Training.start(server, retrain_call(options))

  @doc "Waits for the answer of a training, and cancels it after `timeout`: `PortWorker.Training.await/2`."
  @spec await_retrain(Training.t(), timeout()) :: result(map())
  def await_retrain(training, timeout \\ :infinity), do: Training.await(training, timeout)

  @doc "As `await_retrain/2`, but returns the result, or raises the `PortWorker.Error`."
  @spec await_retrain!(Training.t(), timeout()) :: map()
  def await_retrain!(training, timeout \\ :infinity), do: unwrap!(await_retrain(training, timeout))

  defp retrain_call(options) do
    names =
      [:algorithm, :params, :retriever, :ranker, :retriever_params, :candidates] ++
        [:source, :mode, :epochs, :seed, :budget_s, :activate]

    {args, options} = arguments(options, names)
    args = args |> named(:params) |> named(:retriever_params)
    new_call(:retrain, args, Keyword.put_new(options, :timeout, :infinity), [:on_progress])
  end

  @doc "The versions that the worker has stored, newest first, and which one is active."
  @spec models(server(), keyword()) :: result(%{active: String.t() | nil, versions: [map()]})
  def models(server, options \\ []), do: call(server, :models, %{}, options)

  @typedoc "Which version serves now, and which one did until now."
  @type switched :: %{version: String.t(), algorithm: String.t(), previous: String.t() | nil}

  @doc """
  Has a stored version answer, as `models/2` names it. The worker goes on answering with the one it has meanwhile.

  Every answer names the version that it is from. `:timeout` is 30 seconds by default. While another version is being
  loaded this is refused as `:swap_in_progress`, which may be retried; after any error what served goes on serving.

      {:ok, %{previous: "20260102T030405Z-als-0a1b2c"}} =
        PortWorker.activate(server, "20260101T030405Z-bpr-3d4e5f")
  """
  @spec activate(server(), String.t(), keyword()) :: result(switched())
  def activate(server, version, options \\ []),
    do: call(server, :activate, %{version: version}, Keyword.put_new(options, :timeout, 30_000))

  @doc """
  As `activate/3`, of the version that was active before; the next `rollback/2` goes back further.

  Where none was, or none of those is stored any more: `:no_previous_version`.
  """
  @spec rollback(server(), keyword()) :: result(switched())
  def rollback(server, options \\ []),
    do: call(server, :rollback, %{}, Keyword.put_new(options, :timeout, 30_000))

  @doc "Answers `{:ok, :pong}` once the worker is up and reading."
  @spec ping(server(), keyword()) :: result(:pong)
  def ping(server, options \\ []), do: call(server, :ping, %{}, options)

  @doc "What the worker is doing: its state, memory, model, queue and training."
  @spec status(server(), keyword()) :: result(map())
  def status(server, options \\ []), do: call(server, :status, %{}, options)

  @doc """
  Makes the worker finish what it has and take no more: calls made later are refused as `:draining`.

  Answers once all is done. `:timeout` is 30 seconds by default.
  """
  @spec drain(server(), keyword()) :: result(%{completed: non_neg_integer()})
  def drain(server, options \\ []),
    do: call(server, :drain, %{}, Keyword.put_new(options, :timeout, 30_000))

  @doc """
  Cancels the call that was given `ref: ref`; it answers `:cancelled`. A call that is over is left alone.

  A reference is of one call: where the cancel is faster than the call, that is cancelled as soon as it comes.

      ref = make_ref()
      training = Task.async(fn -> PortWorker.retrain(server, algorithm: "RNN4Rec", ref: ref) end)
      PortWorker.cancel(server, ref)
      {:error, %PortWorker.Error{code: :cancelled}} = Task.await(training)
  """
  @spec cancel(server(), reference()) :: :ok
  def cancel(server, ref) when is_reference(ref), do: Route.cancel(server, ref)

  @doc "Cancels a training: `PortWorker.Training.cancel/1`."
  @spec cancel(Training.t()) :: :ok
  def cancel(%Training{} = training), do: Training.cancel(training)

  @doc """
  Stops the worker: calls in flight may finish within `:drain_timeout`, then its pipes are closed, and after
  `:kill_after` it is killed. Its operating-system process is gone when this returns.

  Under a supervisor, terminate the child instead, or it is started again.
  """
  @spec stop(server()) :: :ok
  def stop(server) do
    with nil <- Route.stop(server), do: GenServer.stop(server, :normal, :infinity)
  catch
    # It has ended by itself, or is being stopped by its supervisor.
    :exit, {reason, _call} when reason in [:noproc, :shutdown] or is_struct(reason, Error) -> :ok
    :exit, {{:shutdown, _reason}, _call} -> :ok
  end

  defbang recommend(server :: server(), user :: id(), options :: keyword()) :: recommendation()
  defbang recommend_many(server :: server(), users :: ids(), options :: keyword()) :: recommendations()
  defbang similar(server :: server(), item :: id(), options :: keyword()) :: map()
  defbang score(server :: server(), user :: id(), items :: ids(), options :: keyword()) :: map()
  defbang explain(server :: server(), user :: id(), item :: id(), options :: keyword()) :: map()
  defbang feedback(server :: server(), interactions :: map() | keyword(), options :: keyword()) :: map()
  defbang hide_items(server :: server(), items :: ids(), options :: keyword()) :: map()
  defbang show_items(server :: server(), items :: ids(), options :: keyword()) :: map()
  defbang retrain(server :: server(), options :: keyword()) :: map()
  defbang models(server :: server(), options :: keyword()) :: map()
  defbang activate(server :: server(), version :: String.t(), options :: keyword()) :: switched()
  defbang rollback(server :: server(), options :: keyword()) :: switched()
  defbang ping(server :: server(), options :: keyword()) :: :pong
  defbang status(server :: server(), options :: keyword()) :: map()
  defbang drain(server :: server(), options :: keyword()) :: map()

  defp call(server, op, args, options), do: run(server, new_call(op, args, options, []))

  @doc false
  @spec run(server(), Call.t()) :: result(term())
  def run(server, call), do: Telemetry.call(server, call.op, fn -> Route.run(server, call) end)

  defp new_call(op, args, options, allowed) do
    Enum.each(options, fn {key, _value} ->
      if key not in [:timeout, :ref | allowed],
        do: raise(ArgumentError, "unknown option #{inspect(key)} of #{op}")
    end)

    Call.new(op, args, options)
  end

  defp arguments(options, names) do
    {args, options} = Keyword.split(options, names)
    {Map.new(args), options}
  end

  # Names of hyper-parameters and features come from people, so they are strings on the wire; here :atoms are convenient.
  defp named(args, key) do
    Map.replace_lazy(args, key, fn
      nil -> nil
      values -> values |> pairs!(key) |> Map.new(fn {name, value} -> {to_string(name), value} end)
    end)
  end

  defp pairs!(values, key) do
    if (is_map(values) and not is_struct(values)) or
         (is_list(values) and Enum.all?(values, &match?({_, _}, &1))),
       do: values,
       else:
         raise(
           ArgumentError,
           "expected #{inspect(key)} to be a map or a keyword list, got: #{inspect(values)}"
         )
  end
end
