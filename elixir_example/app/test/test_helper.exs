ExUnit.start()

for repo <- Application.fetch_env!(:sekai, :ecto_repos), do: Ecto.Adapters.SQL.Sandbox.mode(repo, :manual)
