# What runs on other BEAMs of this machine needs this one to be a node.
:ok = Sekai.Runners.LoopbackBackend.Distribution.start!()
ExUnit.start()

for repo <- Application.fetch_env!(:sekai, :ecto_repos), do: Ecto.Adapters.SQL.Sandbox.mode(repo, :manual)
