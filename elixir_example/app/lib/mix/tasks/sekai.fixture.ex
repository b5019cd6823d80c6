defmodule Mix.Tasks.Sekai.Fixture do
  @shortdoc "Loads a made-up world of users, items and visits"

  @moduledoc """
  Loads a made-up world of users, avatars, maps, props and visits into the database.

      mix sekai.fixture                    # the usual one: 2,000 users, 1,500 items, 120,000 visits
      mix sekai.fixture --users 200 --items 150 --visits 5000
      mix sekai.fixture FOLDER             # what `bin/fixture --json-lines FOLDER` has written

  Loading it again changes nothing.
  """

  use Mix.Task

  @sizes [users: :integer, items: :integer, visits: :integer, seed: :integer]
  @program Path.expand("../../../../../bin/fixture", __DIR__)

  @impl true
  def run(arguments) do
    {sizes, folders} = OptionParser.parse!(arguments, strict: @sizes)
    Mix.Task.run("app.config")
    # The repository alone: the rest of the application is not needed.
    {:ok, _started} = Application.ensure_all_started(:ecto_sql)
    {:ok, _started} = Application.ensure_all_started(:postgrex)
    {:ok, _repo} = Sekai.Repo.start_link(pool_size: 2, log: false)

    case folders do
      [] -> in_temporary_folder(&(make!(&1, sizes) && load(&1)))
      [folder] -> load(folder)
      _more -> Mix.raise("expected one folder, got: #{Enum.join(folders, ", ")}")
    end
  end

  defp in_temporary_folder(fun) do
    folder = Path.join(System.tmp_dir!(), "sekai-world-#{System.pid()}")
    fun.(folder)
  after
    File.rm_rf(Path.join(System.tmp_dir!(), "sekai-world-#{System.pid()}"))
  end

  defp make!(folder, sizes) do
    options = Enum.flat_map(sizes, fn {name, value} -> ["--#{name}", to_string(value)] end)

    case System.cmd(@program, ["--json-lines", folder] ++ options, stderr_to_stdout: true) do
      {_output, 0} -> true
      {output, status} -> Mix.raise("bin/fixture failed with status #{status}: #{output}")
    end
  end

  defp load(folder) do
    written = Sekai.World.load(folder, fn table, rows -> Mix.shell().info("#{table}: #{rows} rows") end)

    Mix.shell().info(
      "loaded " <> Enum.map_join(Enum.sort(written), ", ", fn {table, rows} -> "#{rows} #{table}" end)
    )
  end
end
