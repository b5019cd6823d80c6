import Config

config :sekai, Sekai.Repo,
  url:
    System.get_env("TEST_DATABASE_URL", "postgresql://postgres:postgres@127.0.0.1:5432/sekai_test") <>
      System.get_env("MIX_TEST_PARTITION", ""),
  pool: Ecto.Adapters.SQL.Sandbox,
  pool_size: 10

config :sekai, SekaiWeb.Endpoint,
  http: [ip: {127, 0, 0, 1}, port: 4002],
  server: false,
  secret_key_base: "wq2PjX0aB7cN5vT8eYk3hR6uL9oZs1mGdFiQxJtWnEpCbVyKAgSHlM4UrDfO7I0z"

# Tests start the workers, runners and queues that they are about.
config :sekai, :placement, :none
config :sekai, Oban, testing: :manual

# Of the database they read only what a test has told them to: a test's connection is its own.
config :sekai, Sekai.Recommendations.Popular, refresh_ms: :infinity
config :sekai, Sekai.Models.Serving, refresh_ms: :infinity, follow: false

config :logger, level: :warning
config :phoenix, :plug_init_mode, :runtime
config :phoenix, :sort_verified_routes_query_params, true
