defmodule Sekai.WorkerCase do
  @moduledoc """
  Tests with a real worker, which learns from a small world in the database: 200 users, 150 items.

  What they write is committed, for the worker to see it, and deleted when the module is done; so they are not async.
  """

  use ExUnit.CaseTemplate

  import Sekai.Eventually

  alias Ecto.Adapters.SQL.Sandbox
  alias Sekai.{Recommender, Repo, World}

  @root Path.expand("../../../..", __DIR__)
  @written ~w(recommendations model_versions retrain_runs batch_runs stream_cursors)
  @world ~w(interactions avatars maps props users)
  @jobs ~w(oban_jobs oban_producers)

  using do
    quote do
      import Ecto.Query
      import Sekai.Eventually
      import Sekai.WorkerCase
      alias Sekai.Repo
      @moduletag :worker
      @moduletag timeout: 180_000
    end
  end

  setup_all do
    for repo <- repos(), do: replace(repo, DBConnection.ConnectionPool)
    folder = temporary("world")
    home = temporary("home")
    sizes = ~w(--users 200 --items 150 --visits 6000)

    {_output, 0} =
      System.cmd(Path.join(@root, "bin/fixture"), ["--json-lines", folder | sizes], stderr_to_stdout: true)

    World.load(folder)

    on_exit(fn ->
      for repo <- repos() do
        clear(repo, @world)
        replace(repo, Sandbox)
        Sandbox.mode(repo, :manual)
      end

      File.rm_rf!(folder)
      File.rm_rf!(home)
    end)

    start_worker(home)
    {:ok, _facts} = PortWorker.await_ready(Recommender)
    %{home: home}
  end

  setup do
    for repo <- repos(), do: clear(repo, [])
    eventually(fn -> match?({:ok, %{training: nil}}, PortWorker.status(Recommender)) end, 30_000)
    :ok
  end

  # A pool of connections, in place of the sandbox that gives each process its own, and for two minutes.
  defp replace(repo, pool) do
    :ok = Supervisor.terminate_child(Sekai.Supervisor, repo)
    Application.put_env(:sekai, repo, :sekai |> Application.fetch_env!(repo) |> Keyword.put(:pool, pool))
    {:ok, _pool} = Supervisor.restart_child(Sekai.Supervisor, repo)
  end

  defp clear(repo, more) do
    tables =
      if(repo == Repo, do: @written ++ more, else: []) ++ if(repo == Sekai.Jobs.repo(), do: @jobs, else: [])

    repo.query!("TRUNCATE #{Enum.join(tables, ", ")} CASCADE")
  end

  @doc "Starts a worker under the name that all calls go to."
  @spec start_worker(Path.t()) :: pid()
  def start_worker(home), do: start_supervised!({PortWorker, [name: Recommender] ++ options(home)})

  @doc "The options of a worker that learns from the tests' database."
  @spec options(Path.t()) :: keyword()
  def options(home) do
    config = Application.app_dir(:sekai, "priv/recommender/port_worker.toml")

    [
      command: Path.join(@root, "bin/worker"),
      args: ["--home", home, "--config", config],
      env: [{"SEKAI_DATABASE_URL", Application.fetch_env!(:sekai, Repo)[:url]}],
      stderr: :warning
    ]
  end

  @doc "Has Oban run jobs for real, in place of the application's that leaves that to tests."
  @spec start_oban(keyword()) :: :ok
  def start_oban(options) do
    :ok = Supervisor.terminate_child(Sekai.Supervisor, Oban)
    await_end_of_pg()

    on_exit(fn ->
      await_end_of_pg()
      {:ok, _oban} = Supervisor.restart_child(Sekai.Supervisor, Oban)
    end)

    defaults = [testing: :disabled, plugins: [], stage_interval: 100]

    start_supervised!(
      {Oban, :sekai |> Application.fetch_env!(Oban) |> Keyword.merge(defaults) |> Keyword.merge(options)}
    )

    :ok
  end

  # The notifier's process groups end a little after it, and the next one takes those that are there.
  defp await_end_of_pg, do: eventually(fn -> Process.whereis(Oban.Notifiers.PG) == nil end)

  defp repos, do: Application.fetch_env!(:sekai, :ecto_repos)

  defp temporary(name) do
    path = Path.join(System.tmp_dir!(), "sekai-#{name}-#{System.unique_integer([:positive])}-#{System.pid()}")
    File.mkdir_p!(path)
    path
  end
end
