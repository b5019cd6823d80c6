defmodule PortWorker.Calls do
  @moduledoc false
  # The calls that a connection has not answered yet, found by wire id, by the key that `cancel` uses and by the
  # monitor of their caller. A plain table: it keeps and forgets, its owner sends.

  defmodule Entry do
    @moduledoc false
    # request: {op, args} while the call waits for the worker's hello, nil once it was sent.
    @enforce_keys [:id, :reply_to, :key, :monitor, :timer, :expires_at, :request]
    defstruct @enforce_keys

    @type t :: %__MODULE__{
            id: non_neg_integer(),
            reply_to: reference(),
            key: reference(),
            monitor: reference(),
            timer: reference() | nil,
            expires_at: integer() | :infinity,
            request: {atom(), map()} | nil
          }
  end

  defstruct next_id: 0, entries: %{}, keys: %{}, monitors: %{}

  @type t :: %__MODULE__{
          next_id: non_neg_integer(),
          entries: %{non_neg_integer() => Entry.t()},
          keys: %{reference() => non_neg_integer()},
          monitors: %{reference() => non_neg_integer()}
        }

  @spec new() :: t()
  def new, do: %__MODULE__{}

  @spec size(t()) :: non_neg_integer()
  def size(calls), do: map_size(calls.entries)

  @doc "Takes the next wire id."
  @spec take_id(t()) :: {non_neg_integer(), t()}
  def take_id(calls), do: {calls.next_id, %{calls | next_id: calls.next_id + 1}}

  @doc "Whether a call was ever made by this id."
  @spec issued?(t(), integer()) :: boolean()
  def issued?(calls, id), do: id in 0..(calls.next_id - 1)//1

  @spec put(t(), Entry.t()) :: t()
  def put(calls, %Entry{} = entry) do
    %{
      calls
      | entries: Map.put(calls.entries, entry.id, entry),
        keys: Map.put(calls.keys, entry.key, entry.id),
        monitors: Map.put(calls.monitors, entry.monitor, entry.id)
    }
  end

  @spec fetch(t(), integer()) :: {:ok, Entry.t()} | :error
  def fetch(calls, id), do: Map.fetch(calls.entries, id)

  @doc "Removes the entry of wire id `id`, by which its other names are forgotten, too."
  @spec pop(t(), integer()) :: {Entry.t() | nil, t()}
  def pop(calls, id) do
    case Map.pop(calls.entries, id) do
      {nil, _entries} ->
        {nil, calls}

      {entry, entries} ->
        keys = Map.delete(calls.keys, entry.key)
        {entry, %{calls | entries: entries, keys: keys, monitors: Map.delete(calls.monitors, entry.monitor)}}
    end
  end

  @spec id_by_key(t(), reference()) :: non_neg_integer() | nil
  def id_by_key(calls, key), do: calls.keys[key]

  @spec id_by_monitor(t(), reference()) :: non_neg_integer() | nil
  def id_by_monitor(calls, monitor), do: calls.monitors[monitor]

  @doc "All wire ids, in the order in which the calls were made."
  @spec ids(t()) :: [non_neg_integer()]
  def ids(calls), do: calls.entries |> Map.keys() |> Enum.sort()
end
