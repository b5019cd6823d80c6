# What runs on other BEAMs of this machine needs this one to be a node.
:ok = Sekai.Runners.LoopbackBackend.Distribution.start!()
ExUnit.start()
Ecto.Adapters.SQL.Sandbox.mode(Sekai.Repo, :manual)
