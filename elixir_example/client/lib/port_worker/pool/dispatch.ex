defmodule PortWorker.Pool.Dispatch do
  @moduledoc false
  # Which worker of several has a call, decided by the caller from their table.

  alias PortWorker.{Call, Deadline, Error}
  alias PortWorker.Pool.{Keeper, Table}

  @doc "Has the least busy worker make the call; one that refuses it because it drains passes it on."
  @spec balance(Table.t(), Call.t()) :: {:ok, term()} | {:error, Error.t()}
  def balance(table, call), do: balance(table, call, Deadline.new(call.timeout), [], {:error, none(table)})

  defp balance(table, call, until, tried, refusal) do
    case Table.claim(table, tried) do
      {:ok, {_ref, slot, pid} = claim} ->
        with {:error, %Error{code: :draining}} = refusal <- run_claimed(table, claim, call) do
          Keeper.found_draining(table, pid)
          balance(table, %{call | timeout: Deadline.left(until)}, until, [slot | tried], refusal)
        end

      :none ->
        refusal
    end
  end

  defp run_claimed(table, {_ref, _slot, pid} = claim, call) do
    Call.run(pid, call)
  after
    Table.release(table, claim)
  end

  @doc "The worker that the next call would have."
  @spec worker(Table.t()) :: {:ok, pid()} | {:error, Error.t()}
  def worker(table) do
    case Table.choose(table) do
      {_slot, pid} -> {:ok, pid}
      nil -> {:error, none(table)}
    end
  end

  @doc "Has every worker forget the call that has this key."
  @spec cancel(Table.t(), reference()) :: :ok
  def cancel(table, ref) do
    for {_slot, pid, _state} <- Table.workers(table), do: PortWorker.cancel(pid, ref)
    :ok
  end

  @doc "Does what is done one at a time; an error where somebody else does."
  @spec alone(Table.t(), Keeper.task(), (() -> result)) :: result | {:error, Error.t()} when result: var
  def alone(table, task, fun),
    do: with(:taken <- Keeper.alone(table, task, fun), do: {:error, taken(task, table.name)})

  defp taken(:training, name) do
    %Error{
      code: :training_in_progress,
      message: "a worker of #{inspect(name)} is training already",
      retryable?: true
    }
  end

  defp taken(:rolling, name) do
    message = "the workers of #{inspect(name)} are being switched or started anew already"
    %Error{code: :swap_in_progress, message: message, retryable?: true}
  end

  @doc "What a call is answered where there is nobody to make it."
  @spec none(Table.t()) :: Error.t()
  def none(table), do: Error.new(:worker_down, "no worker of #{inspect(table.name)} runs")
end
