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

# Where workers run: see `Sekai.Recommender`. Tests start those that they are about.
placements = %{"flame" => :flame, "local" => :local, "none" => :none}
place = if config_env() != :test, do: System.get_env("PLACEMENT")

if place != nil and not is_map_key(placements, place),
  do: raise("expected PLACEMENT to be flame, local or none, got: #{inspect(place)}")

if place != nil, do: config(:sekai, :placement, placements[place])

# Which machines runners are: see guides/flame.md. A runner itself has none.
runner? = System.get_env("FLAME_PARENT") != nil
flame_backend = System.get_env("FLAME_BACKEND", if(config_env() == :dev, do: "loopback", else: "local"))

case flame_backend do
  "local" ->
    config :flame, :backend, FLAME.LocalBackend

  "loopback" ->
    config :flame, :backend, Sekai.Runners.LoopbackBackend

    config :flame, Sekai.Runners.LoopbackBackend,
      dir: System.get_env("RUNNERS_DIR", Path.join(System.tmp_dir!(), "sekai_runners"))

  "fly" ->
    config :flame, :backend, FLAME.FlyBackend

    config :flame, FLAME.FlyBackend,
      token: System.fetch_env!("FLY_API_TOKEN"),
      host: System.get_env("FLY_API_HOSTNAME", "https://api.machines.dev"),
      cpu_kind: System.get_env("RUNNER_CPU_KIND", "performance"),
      cpus: String.to_integer(System.get_env("RUNNER_CPUS", "1")),
      memory_mb: String.to_integer(System.get_env("RUNNER_MEMORY_MB", "2048")),
      # A machine of Fly has nothing of this one's environment.
      env: Map.take(System.get_env(), ["RELEASE_COOKIE"])

  "k8s" ->
    # Its package has to be among the dependencies: see guides/flame.md.
    if not Code.ensure_loaded?(FLAMEK8sBackend),
      do: raise(~s(FLAME_BACKEND=k8s needs {:flame_k8s_backend, "~> 0.7"} among the dependencies in mix.exs))

    config :flame, :backend, FLAMEK8sBackend

    resources = %{
      "cpu" => System.get_env("RUNNER_CPUS", "1"),
      "memory" => System.get_env("RUNNER_MEMORY_MB", "2048") <> "Mi"
    }

    config :flame, FLAMEK8sBackend,
      app_container_name: System.get_env("APP_CONTAINER"),
      manifest: %{
        "spec" => %{"containers" => [%{"resources" => %{"requests" => resources, "limits" => resources}}]}
      }

  other ->
    raise "expected FLAME_BACKEND to be local, loopback, fly or k8s, got: #{inspect(other)}"
end

runners =
  for {key, name, parse} <- [
        {:min, "RUNNERS_MIN", &String.to_integer/1},
        {:max, "RUNNERS_MAX", &String.to_integer/1},
        {:price_per_hour, "RUNNER_PRICE_PER_HOUR", &(&1 |> Float.parse() |> elem(0))}
      ],
      text = System.get_env(name),
      do: {key, parse.(text)}

config :sekai, Sekai.Runners, runners

# What the workers are told, wherever they run: of a runner's own environment nothing is known here.
settings = for {"PORT_WORKER_" <> _rest = name, value} <- System.get_env(), do: {name, value}

# The world's interactions are read from this application's database: port_worker.toml says which tables.
source =
  case System.get_env("SEKAI_DATABASE_URL") || System.get_env("DATABASE_URL") do
    nil -> []
    url -> [{"SEKAI_DATABASE_URL", url}]
  end

if config_env() == :dev do
  home = System.get_env("RECOMMENDER_HOME", Path.join(System.tmp_dir!(), "sekai-recommender"))

  # A runner's folder is its disk: the worker's home is in there, as it would be on another machine. The store is one.
  own_home = if flame_backend == "loopback" and place in [nil, "flame"], do: "home", else: home
  store = [{"PORT_WORKER_STORE", System.get_env("PORT_WORKER_STORE", Path.join(home, "models"))}]

  config :sekai, Sekai.Recommender,
    args: ["--home", own_home, "--config", Path.expand("../priv/recommender/port_worker.toml", __DIR__)],
    env: source ++ List.keydelete(settings, "PORT_WORKER_STORE", 0) ++ store
end

# A runner serves nothing and asks no database; what is placed on it brings its options along.
if config_env() == :prod and not runner? do
  if flame_backend in ~w(fly k8s) and System.get_env("PORT_WORKER_STORE") == nil,
    do:
      raise(
        "FLAME_BACKEND=#{flame_backend} needs PORT_WORKER_STORE, such as s3://bucket/prefix: a runner's disk is empty"
      )

  config :sekai, Sekai.Repo,
    url: System.fetch_env!("DATABASE_URL"),
    pool_size: String.to_integer(System.get_env("POOL_SIZE", "10")),
    socket_options: if(System.get_env("ECTO_IPV6") in ~w(true 1), do: [:inet6], else: [])

  # All addresses, if not said otherwise.
  {:ok, ip} = "LISTEN_IP" |> System.get_env("::") |> String.to_charlist() |> :inet.parse_address()

  config :sekai, SekaiWeb.Endpoint,
    url: [host: System.get_env("PHX_HOST", "localhost"), port: 443, scheme: "https"],
    http: [ip: ip, port: String.to_integer(System.get_env("PORT", "4000"))],
    secret_key_base: System.fetch_env!("SECRET_KEY_BASE"),
    server: true

  config :sekai, Sekai.Recommender,
    command: System.fetch_env!("RECOMMENDER_COMMAND"),
    args: [
      "--home",
      System.fetch_env!("RECOMMENDER_HOME"),
      "--config",
      System.get_env("RECOMMENDER_CONFIG", Path.join(:code.priv_dir(:sekai), "recommender/port_worker.toml"))
    ],
    env: source ++ settings
end
