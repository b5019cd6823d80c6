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
      deps: []
    ]
  end

  def application do
    [extra_applications: [:logger]]
  end
end
