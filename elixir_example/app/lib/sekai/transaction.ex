defmodule Sekai.Transaction do
  @moduledoc """
  Transactions that are done again when the database asks for it.

  CockroachDB, and PostgreSQL under SERIALIZABLE, may refuse any transaction with SQLSTATE 40001, and either may break a
  deadlock with 40P01: nothing has happened then, and the whole is to be done again. Ecto does not. So all writes of this
  application go through `run/2`, and what they do besides the database has to bear a repetition.

  Each repetition emits `[:sekai, :transaction, :retry]` with the measurements `attempt` and `wait_ms` and the metadata
  `code` and `name`.
  """

  alias Sekai.Repo

  @retried [:serialization_failure, :deadlock_detected]
  @attempts 10
  @first_wait_ms 5
  @longest_wait_ms 1_000

  @doc """
  Runs `fun` in a transaction, as `c:Ecto.Repo.transact/2` does: `{:ok, _}` commits, `{:error, _}` rolls back.

    * `:attempts` - how often it is tried (#{@attempts}); what the last one raised is raised
    * `:name` - an atom for the telemetry
    * `:timeout` - of the transaction, as of `Ecto.Repo`

  Within another transaction `fun` is run as part of that: only the outermost one can be done again.
  """
  @spec run((-> {:ok, value} | {:error, reason}), keyword()) :: {:ok, value} | {:error, reason}
        when value: term(), reason: term()
  def run(fun, options \\ []) when is_function(fun, 0) do
    {attempts, options} = Keyword.pop(options, :attempts, @attempts)
    {name, options} = Keyword.pop(options, :name)

    if Repo.in_transaction?(),
      do: fun.(),
      else: attempt(fn -> Repo.transact(fun, options) end, name, 1, attempts)
  end

  defp attempt(transaction, name, number, most) do
    transaction.()
  rescue
    error in Postgrex.Error ->
      code = error.postgres[:code]
      if code not in @retried or number >= most, do: reraise(error, __STACKTRACE__)
      wait(name, code, number)
      attempt(transaction, name, number + 1, most)
  end

  # The wait is drawn between nothing and twice as much each time ("full jitter"), so that those who collided part.
  defp wait(name, code, number) do
    longest = min(@first_wait_ms * Integer.pow(2, number), @longest_wait_ms)
    wait_ms = :rand.uniform(longest)

    :telemetry.execute([:sekai, :transaction, :retry], %{attempt: number, wait_ms: wait_ms}, %{
      code: code,
      name: name
    })

    Process.sleep(wait_ms)
  end
end
