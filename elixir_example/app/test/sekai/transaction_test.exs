defmodule Sekai.TransactionTest do
  # Connections of its own, outside of the sandbox: what collides there is real, and so are the refusals.
  use ExUnit.Case

  alias Sekai.{Repo, Transaction}

  @event [:sekai, :transaction, :retry]

  setup do
    repo =
      start_supervised!(
        {Repo,
         name: nil,
         pool: DBConnection.ConnectionPool,
         pool_size: 4,
         log: false,
         parameters: [default_transaction_isolation: "serializable"]}
      )

    Repo.put_dynamic_repo(repo)
    table = "transaction_test_#{System.unique_integer([:positive])}"
    Repo.query!("CREATE TABLE #{table} (name text PRIMARY KEY, value bigint NOT NULL)")
    on_exit(fn -> drop(table) end)
    Repo.query!("INSERT INTO #{table} VALUES ('a', 0), ('b', 0)")

    test = self()
    handler = {__MODULE__, table}

    :telemetry.attach(
      handler,
      @event,
      fn _event, measured, about, _ -> send(test, {:retry, measured, about}) end,
      nil
    )

    on_exit(fn -> :telemetry.detach(handler) end)
    {:ok, repo: repo, table: table}
  end

  # The repository of the test is gone by then.
  defp drop(table) do
    {:ok, repo} =
      Repo.start_link(name: nil, pool: DBConnection.ConnectionPool, pool_size: 1, log: false)

    Repo.put_dynamic_repo(repo)
    Repo.query!("DROP TABLE #{table}")
    GenServer.stop(repo)
  end

  defp value(table, name) do
    %{rows: [[value]]} = Repo.query!("SELECT value FROM #{table} WHERE name = $1", [name])
    value
  end

  defp put(table, name, value), do: Repo.query!("UPDATE #{table} SET value = $2 WHERE name = $1", [name, value])

  defp async(repo, fun) do
    Task.async(fn ->
      Repo.put_dynamic_repo(repo)
      fun.()
    end)
  end

  # Both have read before either writes: whoever comes second is refused, and is to begin again.
  defp meet(barrier) do
    send(barrier, {:here, self()})
    receive do: (:go -> :ok)
  end

  defp barrier(test_pid \\ self(), count) do
    spawn_link(fn ->
      pids = for _ <- 1..count, do: receive(do: ({:here, pid} -> pid))
      Enum.each(pids, &send(&1, :go))
      send(test_pid, :met)
      # Those who are back in their second attempt wait for nobody.
      gate()
    end)
  end

  defp gate do
    receive do: ({:here, pid} -> send(pid, :go))
    gate()
  end

  test "the connections are serializable" do
    assert %{rows: [["serializable"]]} = Repo.query!("SHOW transaction_isolation")
  end

  test "what is refused is done again, until it is done", %{repo: repo, table: table} do
    barrier = barrier(2)

    add = fn ->
      Transaction.run(
        fn ->
          value = value(table, "a")
          meet(barrier)
          put(table, "a", value + 1)
          {:ok, value + 1}
        end,
        name: :add
      )
    end

    answers = [async(repo, add), async(repo, add)] |> Task.await_many()
    assert Enum.sort(answers) == [ok: 1, ok: 2]
    assert value(table, "a") == 2
    assert_received {:retry, %{attempt: 1, wait_ms: wait}, %{code: :serialization_failure, name: :add}}
    assert wait in 1..10
  end

  # Postgrex gives the connection up, and logs it.
  @tag :capture_log
  test "a refusal at the commit is done again, too", %{repo: repo, table: table} do
    # Write skew: each reads what the other writes, and they touch no row in common, so that nothing is wrong before the
    # second commits.
    barrier = barrier(2)

    copy = fn from, to ->
      fn ->
        Transaction.run(
          fn ->
            value = value(table, from)
            meet(barrier)
            put(table, to, value + 1)
            meet(barrier)
            {:ok, value}
          end,
          name: :skew
        )
      end
    end

    [async(repo, copy.("a", "b")), async(repo, copy.("b", "a"))] |> Task.await_many()
    # As if one had been done after the other.
    assert Enum.sort([value(table, "a"), value(table, "b")]) == [1, 2]
    assert_received {:retry, %{attempt: 1}, %{code: :serialization_failure, name: :skew}}
  end

  test "a deadlock is broken, and done again", %{repo: repo, table: table} do
    barrier = barrier(2)

    both = fn first, second ->
      fn ->
        Transaction.run(
          fn ->
            Repo.query!("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            Repo.query!("SET LOCAL deadlock_timeout = '20ms'")
            Repo.query!("UPDATE #{table} SET value = value + 1 WHERE name = $1", [first])
            meet(barrier)
            Repo.query!("UPDATE #{table} SET value = value + 1 WHERE name = $1", [second])
            {:ok, :done}
          end,
          name: :both
        )
      end
    end

    answers = [async(repo, both.("a", "b")), async(repo, both.("b", "a"))] |> Task.await_many()
    assert answers == [ok: :done, ok: :done]
    assert {value(table, "a"), value(table, "b")} == {2, 2}
    assert_received {:retry, %{attempt: 1}, %{code: :deadlock_detected, name: :both}}
  end

  test "after the last attempt the refusal is raised", %{repo: repo, table: table} do
    other = fn -> put(table, "a", System.unique_integer([:positive])) end

    lost = fn ->
      Transaction.run(
        fn ->
          value = value(table, "a")
          repo |> async(other) |> Task.await()
          put(table, "a", value + 1)
          {:ok, value}
        end,
        attempts: 3,
        name: :lost
      )
    end

    error = assert_raise Postgrex.Error, lost
    assert error.postgres.code == :serialization_failure
    assert_received {:retry, %{attempt: 1}, %{name: :lost}}
    assert_received {:retry, %{attempt: 2}, %{name: :lost}}
    refute_received {:retry, %{attempt: 3}, _about}
  end

  test "another error is raised at once, and undoes all", %{table: table} do
    assert_raise Postgrex.Error, ~r/not_null_violation/, fn ->
      Transaction.run(fn ->
        put(table, "a", 1)
        put(table, "b", nil)
        {:ok, :done}
      end)
    end

    assert value(table, "a") == 0
    refute_received {:retry, _measured, _about}
  end

  test "an answer that is an error undoes all, and is not done again", %{table: table} do
    run = fn ->
      send(self(), :ran)
      put(table, "a", 1)
      {:error, :thought_better_of_it}
    end

    assert Transaction.run(run) == {:error, :thought_better_of_it}
    assert value(table, "a") == 0
    assert_received :ran
    refute_received :ran
  end

  test "one within another is part of that, which is done again as a whole", %{repo: repo, table: table} do
    barrier = barrier(2)

    nested = fn ->
      Transaction.run(
        fn ->
          value = value(table, "a")
          meet(barrier)
          {:ok, value} = Transaction.run(fn -> put(table, "a", value + 1) && {:ok, value} end, name: :inner)
          put(table, "b", value + 1)
          {:ok, value}
        end,
        name: :outer
      )
    end

    answers = [async(repo, nested), async(repo, nested)] |> Task.await_many()
    assert Enum.sort(answers) == [ok: 0, ok: 1]
    assert {value(table, "a"), value(table, "b")} == {2, 2}
    assert_received {:retry, %{attempt: 1}, %{name: :outer}}
    refute_received {:retry, _measured, %{name: :inner}}
  end

  test "one within another has its error told, and does not undo by itself", %{table: table} do
    outer = fn ->
      {:error, :inner} = Transaction.run(fn -> put(table, "a", 1) && {:error, :inner} end)
      {:ok, :done}
    end

    assert Transaction.run(outer) == {:ok, :done}
    assert value(table, "a") == 1
  end
end
