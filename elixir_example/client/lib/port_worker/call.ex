defmodule PortWorker.Call do
  @moduledoc false
  # The caller's half of a call. It runs in the caller: progress callbacks do, too, so a slow or raising one harms
  # nobody else. The alias of the monitor takes the answer, so nothing can reach the caller's mailbox afterwards.

  alias PortWorker.{Deadline, Error}

  # The longest deadline that the protocol knows: a week.
  @max_timeout 604_800_000
  # A connection on this node tells when a call is too late. Another node may not be heard of any more: how long after its
  # deadline a call is then given up.
  @silence_ms 100

  @enforce_keys [:op]
  defstruct [:op, :key, :on_progress, args: %{}, timeout: 5_000]

  @type progress :: (map() -> term()) | {pid(), reference()}
  @type t :: %__MODULE__{
          op: atom(),
          args: %{atom() => term()},
          timeout: timeout(),
          key: reference() | nil,
          on_progress: progress() | nil
        }

  @doc "Builds a call; `options` are `:timeout`, `:ref` and `:on_progress`, checked, and the op's own, left in `rest`."
  @spec new(atom(), %{atom() => term()}, keyword()) :: t()
  def new(op, args, options) do
    Enum.each(options, &check!/1)
    fields = for {name, value} <- options, do: {field(name), value}
    struct!(%__MODULE__{op: op, args: args}, fields)
  end

  @doc "Sends the call to `server` and waits for its answer."
  @spec run(GenServer.server(), t()) :: {:ok, term()} | {:error, Error.t()}
  def run(server, call) do
    case GenServer.whereis(server) do
      nil -> {:error, Error.new(:worker_down, "no worker runs as #{inspect(server)}")}
      server -> send_and_await(server, call)
    end
  end

  defp send_and_await(server, call) do
    reply_to = :erlang.monitor(:process, server, alias: :demonitor)
    key = call.key || reply_to
    GenServer.cast(server, {:call, self(), reply_to, key, {call.op, call.args, call.timeout}})

    try do
      with :silence <- await(reply_to, call.on_progress, patience(server, call.timeout)) do
        give_up(server, key, reply_to)
        {:error, Error.new(:deadline_exceeded, "the worker's node did not answer in time")}
      end
    catch
      kind, reason ->
        give_up(server, key, reply_to)
        :erlang.raise(kind, reason, __STACKTRACE__)
    end
  end

  defp patience(server, timeout) when timeout == :infinity or node(server) == node(), do: :infinity
  defp patience({_name, node}, _timeout) when node == node(), do: :infinity
  defp patience(_remote, timeout), do: Deadline.new(timeout + @silence_ms)

  defp await(reply_to, on_progress, patience) do
    receive do
      {^reply_to, :progress, progress} ->
        report(on_progress, progress)
        await(reply_to, on_progress, patience)

      {^reply_to, :answer, answer} ->
        Process.demonitor(reply_to, [:flush])
        answer

      {:DOWN, ^reply_to, :process, _pid, _reason} ->
        {:error, Error.new(:worker_down, "the worker's connection ended before it answered")}
    after
      Deadline.left(patience) -> :silence
    end
  end

  defp report(nil, _progress), do: :ok
  defp report({pid, ref}, progress), do: send(pid, {ref, {:progress, progress}})
  defp report(fun, progress), do: fun.(progress)

  defp give_up(server, key, reply_to) do
    GenServer.cast(server, {:cancel, key})
    forget(reply_to)
  end

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

  defp field(:ref), do: :key
  defp field(name), do: name

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
