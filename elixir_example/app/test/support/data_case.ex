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

  setup tags do
    for repo <- Application.fetch_env!(:sekai, :ecto_repos) do
      pid = Ecto.Adapters.SQL.Sandbox.start_owner!(repo, shared: not tags[:async])
      on_exit(fn -> Ecto.Adapters.SQL.Sandbox.stop_owner(pid) end)
    end

    :ok
  end
end
