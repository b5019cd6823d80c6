defmodule PortWorker.Call do
  @moduledoc false
  # The caller's half of a call. It runs in the caller: arguments are encoded and answers decoded here, so that the
  # connection, which all callers share, does neither; and so are progress callbacks run, so that a slow or raising one
  # harms nobody else. The caller keeps its own time, too: it is answered in time whatever the connection does. The
  # alias of the monitor takes the answer, so nothing can reach the caller's mailbox afterwards.

  alias PortWorker.{Error, Protocol}
  alias PortWorker.Calls.Entry

  # The longest deadline that the protocol knows: a week.
  @max_timeout 604_800_000

  @enforce_keys [:op]
  defstruct [:op, :key, :on_progress, :owner, args: %{}, timeout: 5_000]

  @type progress :: (map() -> term()) | {pid() | reference(), reference()}
  # owner: whose death ends the call; nil is whoever makes it.
  @type t :: %__MODULE__{
          op: atom(),
          args: %{atom() => term()},
          timeout: timeout(),
          key: reference() | nil,
          on_progress: progress() | nil,
          owner: pid() | nil
        }

  @typedoc "When a call is over: on this node's clock, or for another node, in so many milliseconds."
  @type expiry :: :infinity | {:at, integer()} | {:in, non_neg_integer()}

  @doc "Builds a call; `options` are `:timeout`, `:ref` and `:on_progress`."
  @spec new(atom(), %{atom() => term()}, keyword()) :: t()
  def new(op, args, options) do
    Enum.reduce(options, %__MODULE__{op: op, args: args}, fn {name, value} = option, call ->
      check!(option)
      Map.replace!(call, field(name), value)
    end)
  end

  @doc "Sends the call to `server` and waits for its answer."
  @spec run(GenServer.server(), t()) :: {:ok, term()} | {:error, Error.t()}
  def run(server, call) do
    with {:ok, body} <- Protocol.encode_body(call.op, call.args),
         do: with_server(server, &send_and_await(&1, call, body))
  end

  @doc "Waits until `server` is ready. Answers what the worker said of itself."
  @spec await_ready(GenServer.server(), timeout()) :: {:ok, map()} | {:error, Error.t()}
  def await_ready(server, timeout) do
    check!({:timeout, timeout})
    with_server(server, &send_and_await(&1, %__MODULE__{op: :ready, timeout: timeout}, :ready))
  end

  defp with_server(server, fun) do
    case GenServer.whereis(server) do
      nil -> {:error, Error.new(:worker_down, "no worker runs as #{inspect(server)}")}
      server -> fun.(server)
    end
  end

  # Most calls have one answer, which removes the monitor by itself.
  defp send_and_await(server, %{on_progress: nil} = call, body) do
    reply_to = :erlang.monitor(:process, server, alias: :reply_demonitor)
    expires_at = expires_at(call.timeout)
    cast_call(server, reply_to, call, expires_at, body)

    receive do
      {^reply_to, :answer, answer} -> result(answer, server)
      {:DOWN, ^reply_to, :process, _pid, _reason} -> down()
    after
      call.timeout -> give_up(server, reply_to, call)
    end
  end

  defp send_and_await(server, call, body) do
    reply_to = :erlang.monitor(:process, server, alias: :demonitor)
    expires_at = expires_at(call.timeout)
    cast_call(server, reply_to, call, expires_at, body)

    try do
      await(server, reply_to, call, expires_at)
    catch
      kind, reason ->
        give_up(server, reply_to, call)
        :erlang.raise(kind, reason, __STACKTRACE__)
    end
  end

  defp cast_call(server, reply_to, call, expires_at, body) do
    entry = %Entry{
      reply_to: reply_to,
      key: call.key || reply_to,
      op: call.op,
      expires_at: expiry(expires_at, call.timeout, server),
      body: body,
      progress?: call.on_progress != nil
    }

    GenServer.cast(server, {:call, call.owner || self(), entry})
  end

  defp await(server, reply_to, call, expires_at) do
    receive do
      {^reply_to, :progress, frame} ->
        case {progress(frame, call.on_progress), left(expires_at)} do
          {{:error, error}, _left} ->
            report_malformed(server, frame)
            forget(reply_to)
            {:error, error}

          # Where there is more of it whenever this looks, `after` is never reached.
          {_reported, 0} ->
            give_up(server, reply_to, call)

          {_reported, _left} ->
            await(server, reply_to, call, expires_at)
        end

      {^reply_to, :answer, answer} ->
        Process.demonitor(reply_to, [:flush])
        result(answer, server)

      {:DOWN, ^reply_to, :process, _pid, _reason} ->
        down()
    after
      left(expires_at) -> give_up(server, reply_to, call)
    end
  end

  # An answer is the frame that the worker sent, or what the connection has to say by itself.
  defp result({:frame, frame}, server) do
    case Protocol.decode(frame) do
      {:ok, {:ok, _id, result}} ->
        {:ok, result}

      {:ok, {:error, _id, error}} ->
        {:error, error}

      {:error, error} ->
        report_malformed(server, frame)
        {:error, error}
    end
  end

  defp result(answer, _server), do: answer

  # The connection looks for itself, and ends with the worker that sent such a thing.
  defp report_malformed(server, frame), do: GenServer.cast(server, {:malformed, frame})

  defp progress(frame, on_progress) do
    with {:ok, {:progress, _id, progress}} <- Protocol.decode(frame), do: {:ok, report(on_progress, progress)}
  end

  defp report({to, ref}, progress), do: send(to, {ref, {:progress, progress}})
  defp report(fun, progress), do: fun.(progress)

  defp down, do: {:error, Error.new(:worker_down, "the worker's connection ended before it answered")}

  defp give_up(server, reply_to, call) do
    GenServer.cast(server, {:give_up, call.key || reply_to})
    forget(reply_to)
    {:error, Error.new(:deadline_exceeded, too_late(call), %{"timeout" => call.timeout})}
  end

  defp too_late(%{op: :ready, timeout: timeout}), do: "the worker was not ready within #{timeout} ms"
  defp too_late(%{op: op, timeout: timeout}), do: "#{op} was not answered within its timeout of #{timeout} ms"

  defp forget(reply_to) do
    Process.demonitor(reply_to, [:flush])
    drop(reply_to)
  end

  defp drop(reply_to) do
    receive do
      {^reply_to, _kind, _payload} -> drop(reply_to)
    after
      0 -> :ok
    end
  end

  defp expires_at(:infinity), do: :infinity
  defp expires_at(timeout), do: now() + timeout

  defp expiry(:infinity, _timeout, _server), do: :infinity

  defp expiry(expires_at, timeout, server),
    do: if(is_pid(server) and node(server) == node(), do: {:at, expires_at}, else: {:in, timeout})

  defp left(:infinity), do: :infinity
  defp left(expires_at), do: max(expires_at - now(), 0)

  defp now, do: System.monotonic_time(:millisecond)

  defp field(:ref), do: :key
  defp field(name) when name in [:timeout, :on_progress], do: name

  defp check!({:timeout, :infinity}), do: :ok
  defp check!({:timeout, value}) when value in 0..@max_timeout, do: :ok
  defp check!({:timeout, value}), do: fail!(:timeout, "0 to #{@max_timeout} ms or :infinity", value)
  defp check!({:ref, value}) when is_reference(value), do: :ok
  defp check!({:ref, value}), do: fail!(:ref, "a reference", value)
  defp check!({:on_progress, fun}) when is_function(fun, 1) or is_nil(fun), do: :ok
  defp check!({:on_progress, {pid, ref}}) when is_pid(pid) and is_reference(ref), do: :ok

  defp check!({:on_progress, value}),
    do: fail!(:on_progress, "a function of one map or {pid, reference}", value)

  @spec fail!(atom(), String.t(), term()) :: no_return()
  defp fail!(name, expected, value) do
    raise ArgumentError, "expected #{inspect(name)} to be #{expected}, got: #{inspect(value)}"
  end
end
