import Config

config :sekai,
  ecto_repos: [Sekai.Repo],
  generators: [timestamp_type: :utc_datetime_usec, binary_id: true]

# What CockroachDB asks for, and PostgreSQL is content with: no lock around migrations (they are run by one node), no
# prepared statements that outlive a schema change.
config :sekai, Sekai.Repo,
  migration_lock: false,
  migration_primary_key: [name: :id, type: :binary_id],
  migration_timestamps: [type: :utc_datetime_usec],
  pool_size: 10

config :sekai, SekaiWeb.Endpoint,
  url: [host: "localhost"],
  adapter: Bandit.PhoenixAdapter,
  # Compressing is for who stands before it: here it would take longer than many an answer.
  http: [http_options: [compress: false]],
  render_errors: [formats: [html: SekaiWeb.ErrorHTML, json: SekaiWeb.ErrorJSON], layout: false],
  pubsub_server: Sekai.PubSub,
  live_view: [signing_salt: "k1gEJ9wq"]

# Options of PortWorker.start_link/1 for each worker, as seen from where it runs.
config :sekai, Sekai.Recommender,
  command: Path.expand("../../../bin/worker", __DIR__),
  args: [],
  stderr: :warning

config :sekai, Oban,
  repo: Sekai.Repo,
  # These three are what CockroachDB can do: see guides/oban.md.
  engine: Oban.Engines.Basic,
  notifier: Oban.Notifiers.PG,
  peer: Oban.Peers.Global,
  queues: [retrain: 1, batch: 1, maintenance: 1, streams: 2],
  plugins: [
    {Oban.Plugins.Pruner, max_age: 7 * 24 * 3600},
    Sekai.Jobs.Lifeline,
    # In UTC. A promotion asks for everybody's list itself; at night they are made anew with what was visited since.
    {Oban.Plugins.Cron,
     crontab: [
       {"0 3 * * *", Sekai.Jobs.RetrainWorker, args: %{algorithm: "ALS"}},
       {"0 5 * * *", Sekai.Jobs.BatchRecommendWorker},
       {"30 * * * *", Sekai.Jobs.PruneWorker}
     ]}
  ]

# Users to a page, which is one call and one transaction; items to a user's list.
config :sekai, Sekai.Jobs.BatchRecommendWorker, page: 1_000, n: 50

config :phoenix, :json_library, Jason
config :phoenix, :filter_parameters, ["password", "token"]

config :logger, :default_formatter,
  format: "$time $metadata[$level] $message\n",
  metadata: [:request_id, :port_worker]

import_config "#{config_env()}.exs"
