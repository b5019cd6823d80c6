defmodule Sekai.Models.Serving do
  @moduledoc """
  What every recommendation has to know of the version that serves, kept in memory: until when its data reach.

  It is read when this starts, whenever a promotion is told (`Sekai.Models.subscribe/0`: by any node), when another node
  joins, whose promotions were not heard before, and every minute for what was missed all the same. Meanwhile the one before
  is told, and nil before the first: then what users did last is known a minute later, and nothing else is different.
  """

  use GenServer

  require Logger

  alias Sekai.Models

  @refresh_ms 60_000

  @doc """
  Options: `:name` (this module), `:follow`: whether it hears of promotions and nodes (`true`), and `:refresh_ms`, from one
  reading to the next; with `:infinity` it does not read by itself, not even when it starts.
  """
  @spec start_link(keyword()) :: GenServer.on_start()
  def start_link(options) do
    name = Keyword.get(options, :name, __MODULE__)
    GenServer.start_link(__MODULE__, Keyword.put(options, :name, name), name: name)
  end

  @doc "Until when the data of the serving version reach; nil where there is none, or that is not known."
  @spec data_until(atom()) :: DateTime.t() | nil
  def data_until(name \\ __MODULE__) do
    :ets.lookup_element(name, :data_until, 2)
  rescue
    # It is about to start.
    ArgumentError -> nil
  end

  @doc "Reads it anew, and returns when that is done."
  @spec refresh(GenServer.server()) :: :ok | {:error, Exception.t()}
  def refresh(server \\ __MODULE__), do: GenServer.call(server, :refresh)

  @impl true
  def init(options) do
    :ets.new(options[:name], [:named_table, read_concurrency: true])
    # Before it is read: what is promoted in between is then read twice, and not missed.
    if Keyword.get(options, :follow, true), do: follow()
    state = %{table: options[:name], refresh_ms: Keyword.get(options, :refresh_ms, @refresh_ms)}
    {:ok, state, {:continue, :refresh}}
  end

  defp follow do
    :ok = Models.subscribe()
    :ok = :net_kernel.monitor_nodes(true)
  end

  @impl true
  def handle_continue(:refresh, state), do: {:noreply, regularly(state)}

  @impl true
  def handle_call(:refresh, _from, state), do: {:reply, read(state), state}

  @impl true
  def handle_info(:refresh, state), do: {:noreply, regularly(state)}

  def handle_info({event, _about}, state) when event in [:promoted, :nodeup] do
    read(state)
    {:noreply, state}
  end

  def handle_info(_of_no_concern, state), do: {:noreply, state}

  defp read(%{table: table}) do
    true = :ets.insert(table, {:data_until, Models.data_until()})
    :ok
  rescue
    error in [DBConnection.ConnectionError, DBConnection.OwnershipError, Postgrex.Error] -> unread(error)
  catch
    # The repository itself is about to start.
    :exit, reason -> unread(DBConnection.ConnectionError.exception(Exception.format_exit(reason)))
  end

  defp unread(error) do
    Logger.warning("the serving version could not be read: #{Exception.message(error)}")
    {:error, error}
  end

  defp regularly(%{refresh_ms: :infinity} = state), do: state

  defp regularly(state) do
    read(state)
    Process.send_after(self(), :refresh, state.refresh_ms)
    state
  end
end
