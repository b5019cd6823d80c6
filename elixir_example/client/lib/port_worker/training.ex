defmodule PortWorker.Training do
  @moduledoc """
  A retrain that goes on while its owner does other things, as a `Task` does.

      training = PortWorker.retrain_async(server, algorithm: "ALS")

  The owner, which is the process that started it, is sent

    * `{ref, {:progress, map}}`, any number of times, unless it was given `on_progress:`, and
    * `{ref, {:ok, result}}` or `{ref, {:error, %PortWorker.Error{}}}` once, as the last,

  where `ref` is `training.ref`. It either takes these messages as they come, for instance in `handle_info/2`,

      def handle_info({ref, {:progress, progress}}, %{training: %{ref: ref}} = state), do: ...
      def handle_info({ref, result}, %{training: %{ref: ref}} = state), do: ...

  or calls `await/2`. `cancel/1` gives the training up, and so does the death of its owner.
  """

  alias PortWorker.{Call, Error}

  @enforce_keys [:ref, :pid, :server, :key]
  defstruct @enforce_keys

  @typedoc "`ref` tags the messages; `pid` is the process that runs the progress function."
  @type t :: %__MODULE__{ref: reference(), pid: pid(), server: PortWorker.server(), key: reference()}

  @doc false
  @spec start(PortWorker.server(), Call.t()) :: t()
  def start(server, call) do
    owner = self()
    # Through the alias nothing reaches the owner once it has its answer.
    ref = :erlang.alias([:explicit_unalias])
    key = call.key || make_ref()
    call = %{call | key: key, owner: owner, on_progress: call.on_progress || {ref, ref}}
    pid = spawn(fn -> send(ref, {ref, run(server, call)}) end)
    %__MODULE__{ref: ref, pid: pid, server: server, key: key}
  end

  # A progress function that raises ends the training, and is told in its answer.
  defp run(server, call) do
    PortWorker.run(server, call)
  catch
    kind, reason ->
      raised = Exception.format_banner(kind, reason, __STACKTRACE__)
      {:error, Error.new(:progress_failed, "the progress function raised: #{raised}")}
  end

  @doc """
  Waits for the answer. Progress that the owner has not received is dropped.

  After `timeout` milliseconds the training is cancelled, and the answer is `:deadline_exceeded`.
  """
  @spec await(t(), timeout()) :: PortWorker.result(map())
  def await(%__MODULE__{} = training, timeout \\ :infinity) do
    case yield(training, timeout) do
      nil ->
        cancel(training)
        forget(training)

        {:error,
         Error.new(:deadline_exceeded, "the training was not done within #{timeout} ms", %{
           "timeout" => timeout
         })}

      answer ->
        answer
    end
  end

  @doc "As `await/2`, but after `timeout` milliseconds the answer is `nil`, and the training goes on."
  @spec yield(t(), timeout()) :: PortWorker.result(map()) | nil
  def yield(%__MODULE__{ref: ref, pid: pid} = training, timeout \\ 5_000) do
    monitor = Process.monitor(pid)

    answer =
      receive do
        {^ref, {kind, _value} = answer} when kind in [:ok, :error] -> answer
        {:DOWN, ^monitor, :process, _pid, _reason} -> gone(training)
      after
        timeout -> nil
      end

    Process.demonitor(monitor, [:flush])
    if answer != nil, do: forget(training)
    answer
  end

  @doc "Gives the training up: the answer is then `:cancelled`, unless it has another already."
  @spec cancel(t()) :: :ok
  def cancel(%__MODULE__{server: server, key: key}), do: PortWorker.cancel(server, key)

  # It answers before it ends, unless it was killed, or has been awaited before.
  defp gone(%{ref: ref} = training) do
    receive do
      {^ref, {kind, _value} = answer} when kind in [:ok, :error] -> answer
    after
      0 ->
        cancel(training)
        {:error, Error.new(:cancelled, "the training's process has ended")}
    end
  end

  defp forget(%{ref: ref}) do
    :erlang.unalias(ref)
    drop(ref)
  end

  defp drop(ref) do
    receive do
      {^ref, _message} -> drop(ref)
    after
      0 -> :ok
    end
  end
end
