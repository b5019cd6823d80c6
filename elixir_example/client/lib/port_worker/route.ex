defmodule PortWorker.Route do
  @moduledoc false
  # Names that stand for more than one process. A pool, a lease or a fleet owns a table of its name, as a `Registry` does, and the
  # table says which module makes the calls: the caller reads it, so no process is asked on the way. Every other name, and
  # every pid, is a worker's own.

  alias PortWorker.{Call, Deadline, Error}

  @type handle :: term()

  @doc "Makes a call, in the caller."
  @callback run(handle(), Call.t()) :: {:ok, term()} | {:error, Error.t()}

  @doc "Cancels the call that was given this reference, wherever it is."
  @callback cancel(handle(), reference()) :: :ok

  @doc "Stops all that the name stands for."
  @callback stop(handle()) :: :ok

  @doc "Waits until all that the name stands for is ready."
  @callback ready(handle(), timeout()) :: :ok | {:error, Error.t()}

  @doc "A worker of it, the one that the next call would have."
  @callback worker(handle()) :: {:ok, pid()} | {:error, Error.t()}

  @doc "Has calls to `name` made by `module`, for as long as the calling process lives. Returns the name of the table."
  @spec open(atom(), module(), handle()) :: atom()
  def open(name, module, handle) do
    table = :ets.new(name, [:named_table, :public, read_concurrency: true])
    true = :ets.insert(table, {__MODULE__, module, handle})
    table
  end

  @doc "Makes a call of a worker, or of what a name stands for."
  @spec run(GenServer.server(), Call.t()) :: {:ok, term()} | {:error, Error.t()}
  def run(server, call) do
    case find(server) do
      {module, handle} -> module.run(handle, call)
      nil -> Call.run(server, call)
    end
  end

  @doc "Cancels a call of a worker, or of what a name stands for."
  @spec cancel(GenServer.server(), reference()) :: :ok
  def cancel(server, ref) do
    case find(server) do
      {module, handle} -> module.cancel(handle, ref)
      nil -> GenServer.cast(server, {:cancel, ref})
    end
  end

  @doc "Stops what a name stands for; nil where it is a worker's own."
  @spec stop(GenServer.server()) :: :ok | nil
  def stop(server), do: with({module, handle} <- find(server), do: module.stop(handle))

  @doc "Waits until a worker, or all that a name stands for, is ready. Answers what one worker said of itself."
  @spec await_ready(GenServer.server(), timeout()) :: {:ok, map()} | {:error, Error.t()}
  def await_ready(server, timeout) do
    case find(server) do
      {module, handle} ->
        until = timeout |> Deadline.check!() |> Deadline.new()

        with :ok <- module.ready(handle, timeout),
             {:ok, worker} <- module.worker(handle),
             do: Call.await_ready(worker, Deadline.left(until))

      nil ->
        Call.await_ready(server, timeout)
    end
  end

  @doc "The worker itself, or one of those that a name stands for."
  @spec worker(GenServer.server()) :: {:ok, GenServer.server()} | {:error, Error.t()}
  def worker(server) do
    case find(server) do
      {module, handle} -> module.worker(handle)
      nil -> {:ok, server}
    end
  end

  @doc "Which module makes the calls of `server`, with its handle; nil if that is a worker's own name."
  @spec find(GenServer.server()) :: {module(), handle()} | nil
  def find(server) when is_atom(server) do
    with table when table != :undefined <- :ets.whereis(server),
         [{_key, module, handle}] <- :ets.lookup(table, __MODULE__) do
      {module, handle}
    else
      _other -> nil
    end
  rescue
    # The table is gone by now, or it is somebody else's private one.
    ArgumentError -> nil
  end

  def find(_server), do: nil

  @doc "What somebody is told who takes the process behind such a name for a worker, by its pid or from another node."
  @spec no_worker(atom()) :: Error.t()
  def no_worker(name),
    do: Error.new(:worker_down, "#{inspect(name)} is no worker: it is called by its name, on its own node")

  @doc "The handle of a pool, a lease or a fleet; raises where `name` is none."
  @spec fetch!(GenServer.server(), module()) :: handle()
  def fetch!(name, module) do
    case find(name) do
      {^module, handle} ->
        handle

      _other ->
        raise ArgumentError, "expected the name of a running #{inspect(module)}, got: #{inspect(name)}"
    end
  end
end
