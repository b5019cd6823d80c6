defmodule PortWorker.Pool.Table do
  @moduledoc false
  # What a caller needs to know of a pool or a fleet: its workers, and how many calls each has. Read and counted by the callers
  # themselves. A call is counted by a claim, which whoever removes it uncounts: its caller, or for one that was killed
  # the next `sweep/1`. So a count neither leaks nor is given back twice.

  alias PortWorker.Route

  @enforce_keys [:name, :module, :size, :counts, :claims]
  defstruct @enforce_keys

  @type slot :: pos_integer()
  @type state :: :ready | :booting | :draining
  @type worker :: {slot(), pid(), state()}
  @type claim :: {reference(), slot(), pid()}
  @type t :: %__MODULE__{
          name: atom(),
          module: module(),
          size: pos_integer(),
          counts: :counters.counters_ref(),
          claims: :ets.tid()
        }

  @doc """
  Opens the table of what has `size` places for workers, and of which `module` makes the calls.

  It lives as long as the calling process.
  """
  @spec open(atom(), pos_integer(), module()) :: t()
  def open(name, size, module) do
    claims = :ets.new(__MODULE__, [:public, write_concurrency: true])
    counts = :counters.new(size, [])
    table = %__MODULE__{name: name, module: module, size: size, counts: counts, claims: claims}
    Route.open(name, module, table)
    publish(table, [])
    table
  end

  @doc "Says which workers there are, from now on."
  @spec publish(t(), [worker()]) :: true
  def publish(table, workers), do: :ets.insert(table.name, {:workers, workers})

  @doc "The workers that run; none where the pool itself is gone."
  @spec workers(t()) :: [worker()]
  def workers(table) do
    [{:workers, workers}] = :ets.lookup(table.name, :workers)
    workers
  rescue
    ArgumentError -> []
  end

  @doc "How many calls a worker has."
  @spec in_flight(t(), slot()) :: non_neg_integer()
  def in_flight(table, slot), do: :counters.get(table.counts, slot)

  @doc """
  The least busy worker, but for those tried.

  One that is ready goes before one that boots, where a call waits, and that before one that drains, which says so. Of
  equals any, so that a lull does not fall to always the same.
  """
  @spec choose(t(), [slot()], reference()) :: {slot(), pid()} | nil
  def choose(table, tried \\ [], ref \\ make_ref()) do
    with {_rank, _count, _turn, slot, pid} <- least_busy(table, tried, :erlang.phash2(ref, table.size)),
         do: {slot, pid}
  end

  @doc "Takes the worker that `choose/3` chooses for a call of this process, which is to `release/2` it."
  @spec claim(t(), [slot()]) :: {:ok, claim()} | :none
  def claim(table, tried) do
    ref = make_ref()

    case choose(table, tried, ref) do
      nil ->
        :none

      {slot, pid} ->
        :ets.insert(table.claims, {ref, self(), slot})
        :counters.add(table.counts, slot, 1)
        {:ok, {ref, slot, pid}}
    end
  rescue
    ArgumentError -> :none
  end

  @doc "Gives a claim back."
  @spec release(t(), claim()) :: :ok
  def release(table, {ref, _slot, _pid}), do: uncount(table, ref)

  @doc "Gives back the claims of processes that are dead. Returns how many there are still."
  @spec sweep(t()) :: non_neg_integer()
  def sweep(table) do
    for {ref, caller, _slot} <- :ets.tab2list(table.claims),
        not Process.alive?(caller),
        do: uncount(table, ref)

    :ets.info(table.claims, :size)
  end

  defp uncount(table, ref) do
    case :ets.take(table.claims, ref) do
      [{^ref, _caller, slot}] -> :counters.sub(table.counts, slot, 1)
      [] -> :ok
    end
  rescue
    ArgumentError -> :ok
  end

  defp least_busy(table, tried, spread) do
    table
    |> workers()
    |> Enum.reduce(nil, fn {slot, pid, state}, least ->
      candidate = {rank(state), in_flight(table, slot), rem(slot + spread, table.size), slot, pid}

      if (least == nil or candidate < least) and slot not in tried and Process.alive?(pid),
        do: candidate,
        else: least
    end)
  end

  defp rank(:ready), do: 0
  defp rank(:booting), do: 1
  defp rank(:draining), do: 2
end
