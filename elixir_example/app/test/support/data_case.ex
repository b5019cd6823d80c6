defmodule Sekai.DataCase do
  @moduledoc "Tests that use the database: each in a transaction of its own that is rolled back."

  use ExUnit.CaseTemplate

  using do
    quote do
      import Ecto.Query
      import Sekai.Fixtures
      import Sekai.DataCase
      alias Sekai.Repo
    end
  end

  @doc "Whether `fun` is true before two seconds have passed."
  @spec eventually((-> boolean()), non_neg_integer()) :: boolean()
  def eventually(fun, tries \\ 200)
  def eventually(_fun, 0), do: false
  def eventually(fun, tries), do: fun.() or (Process.sleep(10) == :ok and eventually(fun, tries - 1))

  @doc "Has this process meet a database that does not answer, from now on."
  @spec database_is_away() :: term()
  def database_is_away do
    # Nothing listens there.
    address = [url: "postgresql://nobody@127.0.0.1:1/none", pool: DBConnection.ConnectionPool, pool_size: 1]
    impatient = [queue_target: 10, queue_interval: 10, log: false]

    Sekai.Repo.put_dynamic_repo(
      ExUnit.Callbacks.start_supervised!({Sekai.Repo, [name: nil] ++ address ++ impatient})
    )
  end

  setup tags do
    pid = Ecto.Adapters.SQL.Sandbox.start_owner!(Sekai.Repo, shared: not tags[:async])
    on_exit(fn -> Ecto.Adapters.SQL.Sandbox.stop_owner(pid) end)
    :ok
  end
end
