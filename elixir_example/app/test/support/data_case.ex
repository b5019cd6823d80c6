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

  setup tags do
    for repo <- Application.fetch_env!(:sekai, :ecto_repos) do
      pid = Ecto.Adapters.SQL.Sandbox.start_owner!(repo, shared: not tags[:async])
      on_exit(fn -> Ecto.Adapters.SQL.Sandbox.stop_owner(pid) end)
    end

    :ok
  end
end
