defmodule Sekai.DataCase do
  @moduledoc "Tests that use the database: each in a transaction of its own that is rolled back."

  use ExUnit.CaseTemplate

  using do
    quote do
      import Ecto.Query
      import Sekai.Eventually
      import Sekai.Fixtures
      import Sekai.DataCase
      alias Sekai.Repo
    end
  end

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
    for repo <- Application.fetch_env!(:sekai, :ecto_repos) do
      pid = Ecto.Adapters.SQL.Sandbox.start_owner!(repo, shared: not tags[:async])
      on_exit(fn -> Ecto.Adapters.SQL.Sandbox.stop_owner(pid) end)
    end

    :ok
  end
end
