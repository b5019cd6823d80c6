defmodule Sekai.Recommendations.Popular do
  @moduledoc """
  The popular items, kept in memory: they are asked for when all else is late, which is no time for a long query.

  They are counted when this starts and then every minute, by one process; whoever asks reads a table. Before the first
  count, or while the database is away, the list is that of before, or empty.
  """

  use GenServer

  require Logger

  alias Sekai.Content.Item
  alias Sekai.Interactions

  @refresh_ms 60_000
  @kept 200

  @doc """
  Options: `:name` (this module), and `:refresh_ms`, from one count to the next; with `:infinity` there is none, not even a
  first one, but by `refresh/1`.
  """
  @spec start_link(keyword()) :: GenServer.on_start()
  def start_link(options) do
    name = Keyword.get(options, :name, __MODULE__)
    GenServer.start_link(__MODULE__, Keyword.put(options, :name, name), name: name)
  end

  @doc "The ids of the most popular items with how many users had them, of these kinds or of any; at most #{@kept}."
  @spec items([String.t()] | nil, atom()) :: [{Ecto.UUID.t(), float()}]
  def items(kinds \\ nil, name \\ __MODULE__) do
    case :ets.lookup(name, :popular) do
      [{:popular, by_kind}] -> of_kinds(by_kind, kinds)
      [] -> []
    end
  rescue
    # It is about to start.
    ArgumentError -> []
  end

  defp of_kinds(by_kind, kinds) do
    by_kind
    |> Map.take(kinds || Item.kinds())
    |> Map.values()
    |> Enum.concat()
    |> Enum.sort_by(fn {id, users} -> {-users, id} end)
    |> Enum.take(@kept)
  end

  @doc "Counts anew, and returns when that is done."
  @spec refresh(GenServer.server()) :: :ok | {:error, Exception.t()}
  def refresh(server \\ __MODULE__), do: GenServer.call(server, :refresh, 30_000)

  @impl true
  def init(options) do
    :ets.new(options[:name], [:named_table, read_concurrency: true])
    state = %{table: options[:name], refresh_ms: Keyword.get(options, :refresh_ms, @refresh_ms)}
    {:ok, state, {:continue, :refresh}}
  end

  @impl true
  def handle_continue(:refresh, state), do: {:noreply, regularly(state)}

  @impl true
  def handle_call(:refresh, _from, state), do: {:reply, count(state), state}

  @impl true
  def handle_info(:refresh, state), do: {:noreply, regularly(state)}

  defp count(%{table: table}) do
    by_kind = Map.new(Item.kinds(), &{&1, Interactions.popular_items(@kept, [&1])})
    true = :ets.insert(table, {:popular, by_kind})
    :ok
  rescue
    error in [DBConnection.ConnectionError, DBConnection.OwnershipError, Postgrex.Error] -> uncounted(error)
  catch
    # The repository itself is about to start.
    :exit, reason -> uncounted(DBConnection.ConnectionError.exception(Exception.format_exit(reason)))
  end

  defp uncounted(error) do
    Logger.warning("the popular items could not be counted: #{Exception.message(error)}")
    {:error, error}
  end

  defp regularly(%{refresh_ms: :infinity} = state), do: state

  defp regularly(state) do
    count(state)
    Process.send_after(self(), :refresh, state.refresh_ms)
    state
  end
end
