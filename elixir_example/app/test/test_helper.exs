ExUnit.start()
Ecto.Adapters.SQL.Sandbox.mode(Sekai.Repo, :manual)
