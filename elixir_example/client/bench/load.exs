# What `bin/bench --driver elixir` runs: the load of a plan, made by a BEAM through this client.
#
#     elixir -pa EBIN bench/load.exs PLAN RESULT
#
# EBIN holds the compiled client and bench/*.ex. PortWorker.Bench.Run says what goes in and out.

PortWorker.Bench.Run.main(System.argv())
