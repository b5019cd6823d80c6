defmodule Sekai.Runners.ConfigTest do
  # Of the environment, which is everybody's.
  use ExUnit.Case, async: false

  alias Sekai.Runners.LoopbackBackend

  @said ~w(FLAME_BACKEND FLAME_PARENT FLY_API_TOKEN FLY_API_HOSTNAME PLACEMENT PORT_WORKER_STORE RECOMMENDER_COMMAND RECOMMENDER_HOME
           RUNNERS_MIN RUNNERS_MAX RUNNER_PRICE_PER_HOUR RUNNER_CPUS RUNNERS_DIR DATABASE_URL SEKAI_DATABASE_URL
           SECRET_KEY_BASE)

  setup do
    before = Map.new(@said, &{&1, System.get_env(&1)})
    for name <- @said, do: System.delete_env(name)
    on_exit(fn -> System.put_env(before) end)
  end

  defp config(env, variables \\ []) do
    for {name, value} <- variables, do: System.put_env(name, value)
    Config.Reader.read!(Path.expand("../../../config/runtime.exs", __DIR__), env: env)
  end

  @production [
    {"DATABASE_URL", "postgresql://root@database/sekai"},
    {"SECRET_KEY_BASE", String.duplicate("s", 64)},
    {"RECOMMENDER_COMMAND", "/port_worker/bin/worker"},
    {"RECOMMENDER_HOME", "/var/lib/recommender"}
  ]

  test "in development runners are other BEAMs, in production this one, until something else is said" do
    assert config(:dev)[:flame][:backend] == LoopbackBackend
    assert config(:prod, @production)[:flame][:backend] == FLAME.LocalBackend
    assert config(:dev, [{"FLAME_BACKEND", "local"}])[:flame][:backend] == FLAME.LocalBackend
  end

  test "on runners of this machine homes are the runners', and the store is one" do
    recommender = config(:dev, [{"RECOMMENDER_HOME", "/srv/sekai"}])[:sekai][Sekai.Recommender]
    assert ["--home", "home" | _rest] = recommender[:args]
    assert {"PORT_WORKER_STORE", "/srv/sekai/models"} in recommender[:env]

    recommender = config(:dev, [{"PLACEMENT", "local"}])[:sekai][Sekai.Recommender]
    assert ["--home", "/srv/sekai" | _rest] = recommender[:args]
    assert {"PORT_WORKER_STORE", "/srv/sekai/models"} in recommender[:env]
  end

  test "workers are told what they need, wherever they are" do
    told = [{"PORT_WORKER_STORE", "s3://bucket/models"}, {"PORT_WORKER_THREADS", "2"}]
    env = config(:prod, @production ++ told)[:sekai][Sekai.Recommender][:env]
    for variable <- told, do: assert(variable in env)
    assert {"SEKAI_DATABASE_URL", "postgresql://root@database/sekai"} in env
  after
    System.delete_env("PORT_WORKER_THREADS")
  end

  test "machines of Fly" do
    fly = [{"FLAME_BACKEND", "fly"}, {"FLY_API_TOKEN", "token"}, {"RUNNER_CPUS", "2"}]
    store = [{"PORT_WORKER_STORE", "s3://bucket/models"}]
    flame = config(:prod, @production ++ fly ++ store)[:flame]
    assert flame[:backend] == FLAME.FlyBackend

    options = flame[FLAME.FlyBackend]
    assert options[:host] == "https://api.machines.dev"

    assert [token: "token", cpu_kind: "performance", cpus: 2, memory_mb: 2048, env: %{}] =
             Keyword.delete(options, :host)

    System.delete_env("PORT_WORKER_STORE")
    assert_raise RuntimeError, ~r/FLAME_BACKEND=fly needs PORT_WORKER_STORE/, fn -> config(:prod) end
    # A runner there has nothing of this, and needs none of it.
    for {name, _value} <- @production ++ [{"FLAME_BACKEND", nil}], do: System.delete_env(name)
    assert config(:prod, [{"FLAME_PARENT", "parent"}])[:sekai][SekaiWeb.Endpoint] == nil
  end

  test "pods of Kubernetes need the package" do
    assert_raise RuntimeError, ~r/flame_k8s_backend/, fn -> config(:prod, [{"FLAME_BACKEND", "k8s"}]) end
  end

  test "how many runners, and at what price" do
    said = [{"RUNNERS_MIN", "2"}, {"RUNNERS_MAX", "5"}, {"RUNNER_PRICE_PER_HOUR", "0.12"}]
    assert config(:dev, said)[:sekai][Sekai.Runners] == [min: 2, max: 5, price_per_hour: 0.12]
  end

  test "anything else is refused by name" do
    assert_raise RuntimeError, ~r/expected FLAME_BACKEND to be local, loopback, fly or k8s, got: "aws"/, fn ->
      config(:dev, [{"FLAME_BACKEND", "aws"}])
    end

    System.delete_env("FLAME_BACKEND")
    assert_raise RuntimeError, ~r/expected PLACEMENT to be/, fn -> config(:dev, [{"PLACEMENT", "moon"}]) end
  end
end
