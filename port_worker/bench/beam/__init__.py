"""The load as a BEAM makes it, through `elixir_example/client`: what an application in Elixir would see."""
