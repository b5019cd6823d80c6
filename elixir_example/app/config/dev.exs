import Config

config :sekai, Sekai.Repo,
  url: System.get_env("DATABASE_URL", "postgresql://postgres:postgres@127.0.0.1:5432/sekai_dev"),
  stacktrace: true,
  show_sensitive_data_on_connection_error: true

config :sekai, SekaiWeb.Endpoint,
  http: [ip: {127, 0, 0, 1}, port: String.to_integer(System.get_env("PORT", "4000"))],
  check_origin: false,
  secret_key_base: "mVnO3n0cD2lTnqYv7mQy8b0m5b2l7Qf1cJ4aZk9Xh6s1Wt3rEp5uGiKoLxPdSfBz"

config :phoenix, :stacktrace_depth, 20
config :phoenix, :plug_init_mode, :runtime
config :phoenix_live_view, debug_heex_annotations: true

# LOG_LEVEL=debug has every statement.
config :logger, level: String.to_existing_atom(System.get_env("LOG_LEVEL", "info"))
