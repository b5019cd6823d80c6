defmodule Sekai.Release do
  @moduledoc """
  What is done to the database where there is a release and no Mix.

      bin/sekai eval "Sekai.Release.migrate()"
  """

  @app :sekai

  @doc "Runs the migrations that have not been run."
  @spec migrate() :: :ok
  def migrate do
    Application.load(@app)

    for repo <- Application.fetch_env!(@app, :ecto_repos) do
      {:ok, _migrated, _started} = Ecto.Migrator.with_repo(repo, &Ecto.Migrator.run(&1, :up, all: true))
    end

    :ok
  end

  @doc "Loads a world that `bin/fixture --json-lines FOLDER` has written."
  @spec load_world(Path.t()) :: %{String.t() => non_neg_integer()}
  def load_world(folder) do
    Application.load(@app)
    {:ok, written, _started} = Ecto.Migrator.with_repo(Sekai.Repo, fn _repo -> Sekai.World.load(folder) end)
    written
  end
end
