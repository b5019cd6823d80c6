defmodule PortWorker.Real do
  @moduledoc "Starts connections to the real worker, `bin/worker`, in homes of their own."

  @root Path.expand("../../../..", __DIR__)

  @doc "The worker's executable."
  def command, do: Path.join(@root, "bin/worker")

  @doc "Options that run the real worker on the seeded world in `home`; its first start writes that."
  def options(home, more \\ []) do
    [command: command(), args: ["--home", home, "--fixture"], boot_timeout: 120_000] ++ more
  end

  @doc "A new folder, removed when the test or module is over."
  def temporary_home do
    home = Path.join(System.tmp_dir!(), "port_worker_#{System.pid()}_#{System.unique_integer([:positive])}")
    File.mkdir_p!(home)
    ExUnit.Callbacks.on_exit(fn -> File.rm_rf!(home) end)
    home
  end

  @doc "Runs Python code in the worker's environment; its output, stripped."
  def python(code, args \\ []) do
    {output, 0} = System.cmd(Path.join(@root, ".venv/bin/python"), ["-c", code | args], cd: @root)
    String.trim(output)
  end

  @doc "The user with most interactions in the world of `home`, and the items of these."
  def busiest_user(home) do
    code = """
    import sqlite3, sys
    world = sqlite3.connect(sys.argv[1])
    user, = world.execute("SELECT user_id FROM interactions GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1").fetchone()
    seen = world.execute("SELECT DISTINCT item_id FROM interactions WHERE user_id = ?", (user,))
    print(user, *(item for item, in seen))
    """

    [user | seen] = code |> python([Path.join(home, "world.sqlite")]) |> String.split()
    {user, seen}
  end
end
