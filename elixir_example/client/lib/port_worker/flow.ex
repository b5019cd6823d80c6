defmodule PortWorker.Flow do
  @moduledoc false
  # The calls of one worker, on their way there and back, within bounds.
  #
  #     call --credit?--> pipe --> worker --> caller
  #          \--room?--> queue --credit--^
  #           \--> :overloaded
  #
  # A call needs a credit to be sent: the worker has no more than `limit` of them. Without one it waits in the queue,
  # which holds `max_queue`; before the worker is ready it holds `limit` more. A pipe that is full is as no credit: it is
  # tried again soon, and what waits stays in order. Cancels and pings need no credit, and go first.
  #
  # Plain data but for its sends: to the worker through its Port, to callers through their aliases, and to itself.

  alias PortWorker.{Calls, Error, Flood, Options, Pipe, Protocol, Telemetry}
  alias PortWorker.Calls.Entry

  # How soon a full pipe is tried again.
  @retry_ms 5
  # How many cancels of calls that are not there are kept: a cancel from one process may overtake a call from another.
  @kept_cancels 64
  # How many messages may wait behind frames that came unasked.
  @flooded_queue 10_000

  @enforce_keys [:server, :limit, :max_queue]
  defstruct @enforce_keys ++
              [
                :port,
                :max_frame_bytes,
                :retry,
                calls: Calls.new(),
                control: :queue.new(),
                flood: %Flood{},
                cancelled: []
              ]

  # port is nil until the worker is ready.
  @type t :: %__MODULE__{
          server: GenServer.server(),
          limit: pos_integer(),
          max_queue: non_neg_integer(),
          port: port() | nil,
          max_frame_bytes: pos_integer() | nil,
          retry: reference() | nil,
          calls: Calls.t(),
          control: :queue.queue(iodata()),
          flood: Flood.t(),
          cancelled: [reference()]
        }

  @spec new(GenServer.server(), Options.t()) :: t()
  def new(server, options),
    do: %__MODULE__{server: server, limit: options.max_in_flight, max_queue: options.max_queue}

  @doc "How much there is."
  @spec info(t()) :: %{atom() => non_neg_integer()}
  def info(flow) do
    %{
      in_flight: Calls.in_flight(flow.calls),
      waiting: Calls.waiting(flow.calls),
      max_in_flight: flow.limit,
      max_queue: flow.max_queue
    }
  end

  @doc "Whether every caller has its answer."
  @spec idle?(t()) :: boolean()
  def idle?(flow), do: Calls.size(flow.calls) == 0

  @doc "The worker is ready, with these limits: what has waited for that is told `facts`, the rest is sent."
  @spec open(t(), port(), %{atom() => pos_integer()}, map()) :: t()
  def open(flow, port, limits, facts) do
    flow = %{
      flow
      | port: port,
        limit: min(flow.limit, limits.max_in_flight),
        max_frame_bytes: limits.max_frame_bytes
    }

    flow.calls
    |> Calls.waiting_entries()
    |> Enum.reduce(flow, fn
      {id, %{body: :ready}}, flow -> withdraw(flow, id, {:ok, facts})
      _call, flow -> flow
    end)
    |> flush()
  end

  # To the worker

  @doc "Takes a call: it is sent, waits, or is refused. `owner` is whose death ends it."
  @spec call(t(), pid(), Entry.t()) :: t()
  def call(flow, owner, %Entry{} = entry) do
    entry = %{entry | expires_at: expires_at(entry.expires_at)}

    cond do
      entry.key in flow.cancelled -> refuse_cancelled(flow, entry)
      Calls.id_by_key(flow.calls, entry.key) != nil -> refuse_key(flow, entry)
      sendable?(flow) -> send_new(flow, owner, entry)
      room?(flow) -> wait(flow, owner, entry)
      true -> refuse(flow, entry)
    end
  end

  @doc "Gives up the call that has this key, or that comes with it next. One that is over is left alone."
  @spec cancel(t(), reference()) :: t()
  def cancel(flow, key) do
    case Calls.id_by_key(flow.calls, key) do
      nil -> %{flow | cancelled: Enum.take([key | flow.cancelled], @kept_cancels)}
      id -> give_up(flow, id, cancelled())
    end
  end

  @doc "Gives up the call that has this key, for its own caller, who has no answer to wait for any more."
  @spec give_up(t(), reference()) :: t()
  def give_up(flow, key), do: give_up(flow, Calls.id_by_key(flow.calls, key), cancelled())

  @doc "Gives up the call of this id: whoever it belongs to has ended."
  @spec owner_gone(t(), Calls.id()) :: t()
  def owner_gone(flow, id), do: give_up(flow, id, Error.new(:cancelled, "the owner of the call has ended"))

  @doc "Tries a pipe again that was full."
  @spec retry(t()) :: t()
  def retry(flow), do: flush(%{flow | retry: nil})

  @doc "Sends a ping that needs no credit. Returns its id, whose answer is the caller's to know."
  @spec ping(t()) :: {Calls.id(), t()}
  def ping(flow) do
    {id, calls} = Calls.take_id(flow.calls)
    {:ok, body} = Protocol.encode_body(:ping, %{})
    {id, control(%{flow | calls: calls}, Protocol.call_frame(id, body, :infinity))}
  end

  @doc "Frees the credits of calls that were given up `ms` ago or earlier: the worker will never end them."
  @spec forget_given_up(t(), non_neg_integer()) :: t()
  def forget_given_up(flow, ms),
    do: flush(%{flow | calls: Calls.forget_given_up(flow.calls, now() - ms)})

  @doc "Answers every caller with an error."
  @spec fail(t(), Error.t()) :: t()
  def fail(flow, error) do
    for entry <- Calls.entries(flow.calls), do: release(entry, {:error, error})
    %{flow | port: nil, calls: Calls.clear(flow.calls)}
  end

  defp cancelled, do: Error.new(:cancelled, "the call was cancelled")

  defp refuse_cancelled(flow, entry) do
    answer(entry.reply_to, {:error, cancelled()})
    %{flow | cancelled: List.delete(flow.cancelled, entry.key)}
  end

  # Two of one key could not be told apart when one is given up.
  defp refuse_key(flow, entry) do
    message = "expected :ref to be of one call, got: that of another one that has no answer yet"
    answer(entry.reply_to, {:error, Error.new(:invalid_argument, message)})
    flow
  end

  defp sendable?(flow) do
    flow.port != nil and flow.retry == nil and Calls.waiting(flow.calls) == 0 and
      Calls.in_flight(flow.calls) < flow.limit
  end

  # Nothing is in flight before the worker is ready: those that are to be wait as well.
  defp room?(%{port: nil} = flow), do: Calls.waiting(flow.calls) < flow.limit + flow.max_queue
  defp room?(flow), do: Calls.waiting(flow.calls) < flow.max_queue

  defp send_new(flow, owner, entry) do
    {id, calls} = Calls.take_id(flow.calls)

    case write_call(flow, id, entry) do
      :ok ->
        entry = %{entry | body: nil, monitor: watch(owner, id)}
        %{flow | calls: Calls.put_sent(calls, id, entry)}

      :full ->
        flow = retry_later(flow)
        if room?(flow), do: wait(flow, owner, entry), else: refuse(flow, entry)

      {:error, error} ->
        answer(entry.reply_to, {:error, error})
        flow
    end
  end

  defp wait(flow, owner, entry) do
    {id, calls} = Calls.take_id(flow.calls)
    entry = %{entry | monitor: watch(owner, id), since: System.monotonic_time()}
    %{flow | calls: Calls.put_waiting(calls, id, entry)}
  end

  # By the id in its tag, the message of the owner's death says which call it was.
  defp watch(owner, id), do: :erlang.monitor(:process, owner, tag: {:owner, id})

  defp refuse(flow, entry) do
    {in_flight, waiting} = {Calls.in_flight(flow.calls), Calls.waiting(flow.calls)}
    Telemetry.overloaded(flow.server, entry.op, in_flight, waiting)
    full = if flow.retry, do: "the worker's pipe is full", else: "#{in_flight} calls are in flight already"
    message = if waiting == 0, do: full, else: "#{full}, and #{waiting} wait"
    details = %{"in_flight" => in_flight, "waiting" => waiting}
    answer(entry.reply_to, {:error, Error.new(:overloaded, message, details)})
    flow
  end

  defp write_call(flow, id, entry) do
    with {:ok, deadline} <- deadline(entry.expires_at),
         frame = Protocol.call_frame(id, entry.body, deadline),
         :ok <- check_size(frame, flow.max_frame_bytes) do
      case Pipe.write(flow.port, frame) do
        :gone -> {:error, Error.new(:worker_down, "the worker is gone")}
        ok_or_full -> ok_or_full
      end
    end
  end

  defp deadline(:infinity), do: {:ok, :infinity}

  defp deadline(expires_at) do
    case expires_at - now() do
      left when left > 0 -> {:ok, left}
      _none -> {:error, Error.new(:deadline_exceeded, "the call's timeout passed before it was sent")}
    end
  end

  defp check_size(frame, limit) do
    case IO.iodata_length(frame) do
      size when size <= limit ->
        :ok

      size ->
        message = "expected a call of at most #{limit} bytes, got: #{size}"
        {:error, Error.new(:frame_too_large, message, %{"limit" => limit, "got" => size})}
    end
  end

  # Writes what has waited, as far as there are credits and the pipe takes it.
  defp flush(%{port: nil} = flow), do: flow

  defp flush(flow) do
    case write_control(flow) do
      {:ok, flow} -> send_waiting(flow)
      {:full, flow} -> retry_later(flow)
    end
  end

  defp write_control(flow) do
    case :queue.peek(flow.control) do
      {:value, frame} ->
        case Pipe.write(flow.port, frame) do
          :full -> {:full, flow}
          _written_or_gone -> write_control(%{flow | control: :queue.drop(flow.control)})
        end

      :empty ->
        {:ok, flow}
    end
  end

  defp send_waiting(flow) do
    with true <- Calls.in_flight(flow.calls) < flow.limit,
         {id, entry} <- Calls.first_waiting(flow.calls) do
      case write_call(flow, id, entry) do
        :ok ->
          Telemetry.waited(flow.server, entry.op, entry.since)
          send_waiting(%{flow | calls: Calls.sent(flow.calls, id)})

        :full ->
          retry_later(flow)

        {:error, error} ->
          flow |> withdraw(id, {:error, error}) |> send_waiting()
      end
    else
      _no_credit_or_none_waits -> flow
    end
  end

  defp retry_later(%{retry: nil} = flow),
    do: %{flow | retry: Process.send_after(self(), :retry, @retry_ms)}

  defp retry_later(flow), do: flow

  # Takes a call from its caller before the worker has answered it; the worker is told, if it has the call.
  defp give_up(flow, id, error) do
    case Calls.give_up(flow.calls, id, now()) do
      {place, entry, calls} ->
        release(entry, {:error, error})
        flow = %{flow | calls: calls}
        if place == :sent, do: control(flow, Protocol.encode_cancel(id)), else: flow

      :unknown ->
        flow
    end
  end

  # Answers a call that waits.
  defp withdraw(flow, id, result) do
    {:waiting, entry, calls} = Calls.give_up(flow.calls, id, now())
    release(entry, result)
    %{flow | calls: calls}
  end

  defp control(flow, frame), do: flush(%{flow | control: :queue.in(frame, flow.control)})

  # From the worker

  @doc """
  Passes an answer on, as it came: its caller decodes it, and tells if it cannot.

  An answer that nobody waits for has nobody else to look at it. A late one, to a call that was given up, is to be
  expected; one to a call that was never made is not.
  """
  @spec answered(t(), Protocol.id(), binary()) :: {:ok, t()} | {:error, Error.t()}
  def answered(flow, id, frame) do
    case Calls.answered(flow.calls, id) do
      {%Entry{} = entry, calls} ->
        release(entry, {:frame, frame})
        {:ok, flush(%{flow | calls: calls})}

      {:given_up, calls} ->
        with {:ok, _message} <- Protocol.decode(frame), do: {:ok, flush(%{flow | calls: calls})}

      :unknown ->
        with {:ok, message} <- Protocol.decode(frame),
             :ok <- check_issued(flow, id, message),
             do: unasked(flow, frame)
    end
  end

  @doc "Passes progress on, to a caller that takes any."
  @spec progress(t(), Protocol.id(), binary()) :: {:ok, t()} | {:error, Error.t()}
  def progress(flow, id, frame) do
    with {:ok, flow} <- unasked(flow, frame) do
      case Calls.fetch_sent(flow.calls, id) do
        {:ok, %{progress?: true} = entry} ->
          send(entry.reply_to, {entry.reply_to, :progress, frame})
          {:ok, flow}

        _nobody_listens ->
          with {:ok, message} <- Protocol.decode(frame),
               :ok <- check_issued(flow, id, message),
               do: {:ok, flow}
      end
    end
  end

  @doc "Counts a frame that no call waits for."
  @spec unasked(t(), binary()) :: {:ok, t()} | {:error, Error.t()}
  def unasked(flow, frame) do
    with {:ok, flood} <- Flood.count(flow.flood, byte_size(frame), now()),
         :ok <- check_queue(flood) do
      {:ok, %{flow | flood: flood}}
    else
      {:error, found} ->
        {:error, Error.new(:flooded, "expected a worker that says little unasked, got: #{found}")}
    end
  end

  defp check_queue(flood) do
    with true <- Flood.many?(flood),
         {:message_queue_len, queue} when queue > @flooded_queue <- Process.info(self(), :message_queue_len) do
      {:error, "#{flood.frames} such frames within a second, with #{queue} messages behind them"}
    else
      _few_or_short -> :ok
    end
  end

  defp check_issued(flow, id, message) do
    if Calls.issued?(flow.calls, id),
      do: :ok,
      else: Protocol.malformed("an answer to a call that was made", message)
  end

  # Without `:flush`, which looks through all that waits in the mailbox: of a call that is over, an owner's death is
  # nobody's.
  defp release(entry, result) do
    Process.demonitor(entry.monitor)
    answer(entry.reply_to, result)
  end

  defp answer(reply_to, result), do: send(reply_to, {reply_to, :answer, result})

  defp expires_at(:infinity), do: :infinity
  defp expires_at({:at, at}), do: at
  defp expires_at({:in, timeout}), do: now() + timeout

  defp now, do: System.monotonic_time(:millisecond)
end
