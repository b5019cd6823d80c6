defmodule PortWorker.MixProject do
  use Mix.Project

  def project do
    [
      app: :port_worker,
      version: "0.1.0",
      elixir: "~> 1.14",
      description: "Recommendations from a supervised Python worker behind an Erlang Port.",
      start_permanent: Mix.env() == :prod,
      # bench/ makes the load of `bin/bench --driver elixir`, which compiles it by itself; here it is checked.
      elixirc_paths: if(Mix.env() == :test, do: ["lib", "bench", "test/support"], else: ["lib"]),
      # Without dependencies on purpose: Mix then needs neither Hex nor a network.
      deps: [],
      docs: docs()
    ]
  end

  # What ex_doc reads, which is no dependency either.
  defp docs do
    [
      main: "getting-started",
      extras: ~w(
        guides/getting-started.md
        guides/deadlines-and-overload.md
        guides/retraining.md
        guides/pools.md
        guides/flame.md
        guides/fleets.md
        guides/upgrading.md
      ),
      groups_for_extras: [Guides: ~r"guides/"],
      groups_for_modules: [
        Calls: [PortWorker, PortWorker.Training, PortWorker.Columns, PortWorker.Error],
        "Several workers, other machines": [
          PortWorker.Pool,
          PortWorker.Fleet,
          PortWorker.Lease,
          PortWorker.Lease.Flame,
          PortWorker.Lease.Node,
          PortWorker.Lease.Placement
        ],
        Observing: [PortWorker.Telemetry],
        Wire: [PortWorker.Connection, PortWorker.Protocol, PortWorker.Atoms]
      ]
    ]
  end

  def application do
    [extra_applications: [:logger]]
  end
end
