defmodule PortWorker.Pool.Roll do
  @moduledoc false
  # What is done to the workers of a pool one after the other, so that all but one of them answer at any time.

  alias PortWorker.{Call, Deadline, Error, Pool}
  alias PortWorker.Pool.{Dispatch, Keeper, Table}

  @again_ms 100

  @doc """
  Has every worker serve what the first one that can be asked was told to: to activate a version, or to roll back.

  Workers that boot or die meanwhile come up with it, since it is the store's active version from then on.
  """
  @spec switch(Table.t(), Call.t()) :: {:ok, term()} | {:error, Error.t()}
  def switch(table, call) do
    until = Deadline.new(call.timeout)
    Enum.reduce_while(ready_first(table), none(table), &switch_one(&1, &2, call, until))
  end

  # So that none waits for one that boots.
  defp ready_first(table) do
    table |> Table.workers() |> Enum.sort_by(fn {slot, _pid, state} -> {state != :ready, slot} end)
  end

  # Nothing was switched yet: this worker is the first, or takes the place of one that could not be asked.
  defp switch_one({_slot, pid, _state}, {:error, _error} = _none_yet, call, until) do
    case Call.run(pid, %{call | timeout: Deadline.left(until)}) do
      {:error, %Error{code: code}} = error when code in [:worker_down, :draining] -> {:cont, error}
      {:error, _error} = error -> {:halt, error}
      {:ok, _switched} = first -> {:cont, first}
    end
  end

  defp switch_one({slot, pid, _state}, {:ok, %{version: version}} = first, call, until) do
    case follow(pid, %{call | op: :activate, args: %{version: version}}, until) do
      {:ok, _switched} -> {:cont, first}
      {:error, %Error{code: code}} when code in [:worker_down, :draining] -> {:cont, first}
      {:error, error} -> {:halt, {:error, partly(error, slot, version)}}
    end
  end

  # A worker that has seen by itself what is active now is loading it already.
  defp follow(pid, call, until) do
    with {:error, %Error{code: :swap_in_progress}} = error <-
           Call.run(pid, %{call | timeout: Deadline.left(until)}) do
      if Deadline.left(until) == 0 do
        error
      else
        Process.sleep(@again_ms)
        follow(pid, call, until)
      end
    end
  end

  defp partly(error, slot, version) do
    message = "#{version} is active, but worker #{slot} does not serve it yet: #{error.message}"
    %{error | message: message, details: Map.put(error.details, "worker", slot)}
  end

  @doc "Drains every worker and starts a new one in its place, each within `timeout`."
  @spec restart(Table.t(), timeout()) :: {:ok, %{completed: non_neg_integer()}} | {:error, Error.t()}
  def restart(table, timeout) do
    # Those that do not answer come first: then there are others to answer for the next.
    1..table.size
    |> Enum.sort_by(&ready?(table, &1))
    |> Enum.reduce_while({:ok, %{completed: 0}}, fn slot, {:ok, %{completed: sum}} ->
      case restart_one(table, slot, timeout) do
        {:ok, completed} -> {:cont, {:ok, %{completed: sum + completed}}}
        {:error, error} -> {:halt, {:error, error}}
      end
    end)
  end

  defp restart_one(table, slot, timeout) do
    others = if ready?(table, slot), do: Enum.to_list(1..table.size) -- [slot], else: []

    with :ok <- Keeper.await(table, others, timeout),
         completed = retire(table, slot, timeout),
         :ok <- Pool.replace(table.name, slot),
         :ok <- Keeper.await(table, [slot], timeout) do
      {:ok, completed}
    end
  end

  defp ready?(table, slot), do: match?({_slot, _pid, :ready}, List.keyfind(Table.workers(table), slot, 0))

  # Whatever has not finished in time ends with the worker, as does a worker that cannot be asked.
  defp retire(table, slot, timeout) do
    with {^slot, pid, _state} <- List.keyfind(Table.workers(table), slot, 0),
         :ok <- Keeper.set_aside(table, pid),
         {:ok, %{completed: completed}} <- PortWorker.drain(pid, timeout: timeout) do
      completed
    else
      _gone_or_late -> 0
    end
  end

  @doc "Drains all workers at once: the pool then takes no more."
  @spec drain(Table.t(), Call.t()) :: {:ok, %{completed: non_neg_integer()}} | {:error, Error.t()}
  def drain(table, call) do
    workers = Table.workers(table)
    Enum.each(workers, fn {_slot, pid, _state} -> Keeper.set_aside(table, pid) end)
    workers |> each(call) |> Enum.reduce({:ok, %{completed: 0}}, &sum/2)
  end

  defp sum({:ok, %{completed: more}}, {:ok, %{completed: sum}}), do: {:ok, %{completed: sum + more}}
  defp sum(_result, {:error, _error} = error), do: error
  # It has no calls that could be waited for.
  defp sum({:error, %Error{code: :worker_down}}, sum), do: sum
  defp sum({:error, _error} = error, _sum), do: error

  @doc """
  Tells all workers that are ready, at once: what each keeps for itself. Answers what one of them does.

  One that dies or drains meanwhile has nothing more to keep.
  """
  @spec tell(Table.t(), Call.t()) :: {:ok, term()} | {:error, Error.t()}
  def tell(table, call) do
    case for({_slot, _pid, :ready} = worker <- Table.workers(table), do: worker) do
      [] ->
        Dispatch.balance(table, call)

      workers ->
        answers = each(workers, call)
        Enum.find(answers, &failed?/1) || Enum.find(answers, none(table), &match?({:ok, _}, &1))
    end
  end

  defp failed?({:error, %Error{code: code}}), do: code not in [:worker_down, :draining]
  defp failed?({:ok, _told}), do: false

  # Each by a process of its own, which is no link of the caller's; the calls end with the caller all the same.
  defp each(workers, call) do
    call = %{call | owner: call.owner || self()}

    workers
    |> Enum.map(fn {_slot, pid, _state} -> spawn_monitor(fn -> exit({:shutdown, Call.run(pid, call)}) end) end)
    |> Enum.map(fn {pid, monitor} ->
      receive do
        {:DOWN, ^monitor, :process, ^pid, {:shutdown, answer}} ->
          answer

        # Somebody has killed it.
        {:DOWN, ^monitor, :process, ^pid, _reason} ->
          {:error, Error.new(:cancelled, "the call's process has ended")}
      end
    end)
  end

  defp none(table), do: {:error, Dispatch.none(table)}
end
