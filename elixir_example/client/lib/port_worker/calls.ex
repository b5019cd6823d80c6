defmodule PortWorker.Calls do
  @moduledoc false
  # The calls of a connection that have no end yet. Each is in one of three places:
  #
  #     waiting --send--> sent --answer--> (gone)
  #        \__give up__     \__give up--> given up --answer--> (gone)
  #
  # One that was given up has no caller any more, but the worker still has it: it counts as in flight until the worker
  # ends it. A plain table: it keeps and forgets, its owner sends.

  defmodule Entry do
    @moduledoc false
    # What a caller sends to have a call made.
    #
    # key: what cancels it. progress?: whether the caller takes any. body: the encoded op and arguments while the call
    # waits, nil once it was sent, :ready for one that waits for nothing but that. The connection adds monitor: of the
    # owner, and since: from when on the call waits.
    @enforce_keys [:reply_to, :key, :op, :expires_at, :body, :progress?]
    defstruct @enforce_keys ++ [:monitor, :since]

    @type t :: %__MODULE__{
            reply_to: reference(),
            key: reference(),
            op: atom(),
            expires_at: PortWorker.Call.expiry() | integer(),
            body: binary() | :ready | nil,
            progress?: boolean(),
            monitor: reference() | nil,
            since: integer() | nil
          }
  end

  defstruct next_id: 0, sent: %{}, given_up: %{}, waiting: :gb_trees.empty(), keys: %{}

  @type id :: non_neg_integer()
  @type t :: %__MODULE__{
          next_id: id(),
          sent: %{id() => Entry.t()},
          given_up: %{id() => integer()},
          waiting: :gb_trees.tree(id(), Entry.t()),
          keys: %{reference() => id()}
        }

  @spec new() :: t()
  def new, do: %__MODULE__{}

  @doc "How many callers there are that have no answer yet."
  @spec size(t()) :: non_neg_integer()
  def size(calls), do: map_size(calls.sent) + waiting(calls)

  @doc "How many calls the worker has, as far as is known."
  @spec in_flight(t()) :: non_neg_integer()
  def in_flight(calls), do: map_size(calls.sent) + map_size(calls.given_up)

  @doc "How many calls have not been sent."
  @spec waiting(t()) :: non_neg_integer()
  def waiting(calls), do: :gb_trees.size(calls.waiting)

  @doc "Takes the next wire id. They ascend, so calls that wait are ordered by theirs."
  @spec take_id(t()) :: {id(), t()}
  def take_id(calls), do: {calls.next_id, %{calls | next_id: calls.next_id + 1}}

  @doc "Whether a call was ever made by this id."
  @spec issued?(t(), integer()) :: boolean()
  def issued?(calls, id), do: id >= 0 and id < calls.next_id and not :gb_trees.is_defined(id, calls.waiting)

  @doc "Keeps a call that was sent."
  @spec put_sent(t(), id(), Entry.t()) :: t()
  def put_sent(calls, id, %Entry{} = entry) do
    %{calls | sent: Map.put(calls.sent, id, entry), keys: Map.put(calls.keys, entry.key, id)}
  end

  @doc "Keeps a call that is to be sent later."
  @spec put_waiting(t(), id(), Entry.t()) :: t()
  def put_waiting(calls, id, %Entry{} = entry) do
    %{
      calls
      | waiting: :gb_trees.insert(id, entry, calls.waiting),
        keys: Map.put(calls.keys, entry.key, id)
    }
  end

  @doc "The call that has waited longest."
  @spec first_waiting(t()) :: {id(), Entry.t()} | nil
  def first_waiting(calls),
    do: if(:gb_trees.is_empty(calls.waiting), do: nil, else: :gb_trees.smallest(calls.waiting))

  @doc "All that wait, in their order."
  @spec waiting_entries(t()) :: [{id(), Entry.t()}]
  def waiting_entries(calls), do: :gb_trees.to_list(calls.waiting)

  @doc "Has a waiting call be a sent one."
  @spec sent(t(), id()) :: t()
  def sent(calls, id) do
    {entry, waiting} = :gb_trees.take(id, calls.waiting)
    %{calls | waiting: waiting, sent: Map.put(calls.sent, id, %{entry | body: nil})}
  end

  @doc "What an answer to this id is for; the call is forgotten with it."
  @spec answered(t(), integer()) :: {Entry.t(), t()} | {:given_up, t()} | :unknown
  def answered(%{sent: sent, given_up: given_up} = calls, id) do
    case sent do
      %{^id => entry} ->
        {entry, %{calls | sent: Map.delete(sent, id), keys: Map.delete(calls.keys, entry.key)}}

      _not_sent when is_map_key(given_up, id) ->
        {:given_up, %{calls | given_up: Map.delete(given_up, id)}}

      _neither ->
        :unknown
    end
  end

  @doc "The call that was sent by this id and is not given up."
  @spec fetch_sent(t(), integer()) :: {:ok, Entry.t()} | :error
  def fetch_sent(calls, id), do: Map.fetch(calls.sent, id)

  @doc "Takes away the caller of a call, and says whether the worker has it; `at` is when."
  @spec give_up(t(), id() | nil, integer()) :: {:sent | :waiting, Entry.t(), t()} | :unknown
  def give_up(calls, id, at) do
    case calls do
      %{sent: %{^id => entry}} ->
        {:sent, entry,
         %{
           calls
           | sent: Map.delete(calls.sent, id),
             given_up: Map.put(calls.given_up, id, at),
             keys: Map.delete(calls.keys, entry.key)
         }}

      _not_sent ->
        drop_waiting(calls, id)
    end
  end

  defp drop_waiting(calls, id) do
    case :gb_trees.take_any(id, calls.waiting) do
      {entry, waiting} ->
        {:waiting, entry, %{calls | waiting: waiting, keys: Map.delete(calls.keys, entry.key)}}

      :error ->
        :unknown
    end
  end

  @doc "Stops counting calls that were given up before `at`: the worker will never end them."
  @spec forget_given_up(t(), integer()) :: t()
  def forget_given_up(calls, at),
    do: %{calls | given_up: Map.filter(calls.given_up, fn {_id, since} -> since > at end)}

  @spec id_by_key(t(), reference()) :: id() | nil
  def id_by_key(calls, key), do: calls.keys[key]

  @doc "Every call that has a caller, in the order in which they were made."
  @spec entries(t()) :: [Entry.t()]
  def entries(calls) do
    sent = calls.sent |> Enum.sort() |> Enum.map(&elem(&1, 1))
    sent ++ :gb_trees.values(calls.waiting)
  end

  @doc "Forgets all of them."
  @spec clear(t()) :: t()
  def clear(calls), do: %{new() | next_id: calls.next_id}
end
