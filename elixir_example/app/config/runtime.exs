import Config

# DATABASE_ISOLATION=serializable has PostgreSQL behave as CockroachDB does, which knows no other.
isolation =
  case System.get_env("DATABASE_ISOLATION") do
    nil -> []
    level -> [parameters: [default_transaction_isolation: level]]
  end

config :sekai, Sekai.Repo, isolation

# A PostgreSQL of Oban's own, which can do what Oban is made for: see guides/oban.md.
if url = System.get_env("OBAN_DATABASE_URL") do
  config :sekai, ecto_repos: [Sekai.Repo, Sekai.ObanRepo]
  config :sekai, Sekai.ObanRepo, url: url, pool_size: String.to_integer(System.get_env("OBAN_POOL_SIZE", "5"))
  config :sekai, Oban, repo: Sekai.ObanRepo, notifier: Oban.Notifiers.Postgres, peer: Oban.Peers.Database

  if config_env() == :test, do: config(:sekai, Sekai.ObanRepo, pool: Ecto.Adapters.SQL.Sandbox)
end

if config_env() == :dev do
  # The world's interactions are read from this application's database: port_worker.toml says which tables.
  home = System.get_env("RECOMMENDER_HOME", Path.join(System.tmp_dir!(), "sekai-recommender"))
  source = Path.expand("../priv/recommender/port_worker.toml", __DIR__)

  config :sekai, Sekai.Recommender, args: ["--home", home, "--config", source]
end

if config_env() == :prod do
  config :sekai, Sekai.Repo,
    url: System.fetch_env!("DATABASE_URL"),
    pool_size: String.to_integer(System.get_env("POOL_SIZE", "10")),
    socket_options: if(System.get_env("ECTO_IPV6") in ~w(true 1), do: [:inet6], else: [])

  config :sekai, SekaiWeb.Endpoint,
    url: [host: System.get_env("PHX_HOST", "localhost"), port: 443, scheme: "https"],
    http: [ip: {0, 0, 0, 0, 0, 0, 0, 0}, port: String.to_integer(System.get_env("PORT", "4000"))],
    secret_key_base: System.fetch_env!("SECRET_KEY_BASE"),
    server: true

  config :sekai, Sekai.Recommender,
    command: System.fetch_env!("RECOMMENDER_COMMAND"),
    args: [
      "--home",
      System.fetch_env!("RECOMMENDER_HOME"),
      "--config",
      System.get_env("RECOMMENDER_CONFIG", Path.join(:code.priv_dir(:sekai), "recommender/port_worker.toml"))
    ]
end
