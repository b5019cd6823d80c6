defmodule Sekai.MixProject do
  use Mix.Project

  def project do
    [
      app: :sekai,
      version: "0.1.0",
      # Membrane wants 1.17; without it, 1.15 would do.
      elixir: "~> 1.17",
      elixirc_paths: elixirc_paths(Mix.env()),
      start_permanent: Mix.env() == :prod,
      aliases: aliases(),
      deps: deps(),
      releases: [sekai: [include_executables_for: [:unix]]]
    ]
  end

  def application do
    [mod: {Sekai.Application, []}, extra_applications: [:logger, :runtime_tools]]
  end

  def cli, do: [preferred_envs: [precommit: :test]]

  defp elixirc_paths(:test), do: ["lib", "test/support"]
  defp elixirc_paths(_env), do: ["lib"]

  # The versions that the tests were run with. There is no lock beside them: see README.md.
  defp deps do
    [
      {:port_worker, path: "../client"},
      {:phoenix, "~> 1.8.9"},
      {:phoenix_html, "~> 4.3"},
      {:phoenix_ecto, "~> 4.7"},
      {:phoenix_live_view, "~> 1.2.10"},
      {:bandit, "~> 1.12.5"},
      {:open_api_spex, "~> 3.22.3"},
      # 3.14 wants decimal 3, which Membrane's `ratio` refuses.
      {:ecto_sql, "~> 3.13.5"},
      {:postgrex, "~> 0.22.2"},
      {:oban, "~> 2.23.1"},
      {:flame, "~> 0.5.3"},
      {:membrane_core, "~> 1.3.4"},
      {:jason, "~> 1.4.5"},
      {:telemetry_metrics, "~> 1.0"},
      {:telemetry_poller, "~> 1.1"},
      {:lazy_html, "~> 0.1.10", only: :test}
    ]
  end

  defp aliases do
    [
      setup: ["deps.get", "ecto.setup"],
      # Which repositories there are is in config/runtime.exs, which these tasks would read too late.
      "ecto.create": ["app.config", "ecto.create"],
      "ecto.drop": ["app.config", "ecto.drop"],
      "ecto.migrate": ["app.config", "ecto.migrate"],
      "ecto.rollback": ["app.config", "ecto.rollback"],
      "ecto.setup": ["ecto.create", "ecto.migrate", "sekai.fixture"],
      "ecto.reset": ["ecto.drop", "ecto.setup"],
      test: ["ecto.create --quiet", "ecto.migrate --quiet", "test"],
      precommit: ["format --check-formatted", "compile --warnings-as-errors", "test"]
    ]
  end
end
