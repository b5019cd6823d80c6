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

  setup tags do
    pid = Ecto.Adapters.SQL.Sandbox.start_owner!(Sekai.Repo, shared: not tags[:async])
    on_exit(fn -> Ecto.Adapters.SQL.Sandbox.stop_owner(pid) end)
    :ok
  end
end
