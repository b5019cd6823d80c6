# A tour of the client with the real worker. Run it with
#
#     cd elixir_example/client && mix run ../demo.exs [HOME]
#
# HOME is where the worker keeps its data and models; without one a new folder is used, and removed at the end.

defmodule Demo do
  @root Path.expand("..", __DIR__)
  @worker Demo.Recommender

  def run(argv) do
    Logger.configure(level: :error)
    home = home(argv)

    options = [
      command: Path.join(@root, "bin/worker"),
      args: ["--home", home, "--fixture"],
      boot_timeout: 600_000
    ]

    {:ok, supervisor} =
      Supervisor.start_link([{PortWorker, [name: @worker] ++ options}], strategy: :one_for_one)

    # On its very first run bin/worker installs what it needs, which takes minutes.
    {:ok, :pong} = PortWorker.ping(@worker, timeout: :infinity)
    {user, name} = somebody(home)

    before_any_model(user)
    train()
    recommend(user, name, home)
    mistakes(user)
    kill(user)
    measure(user)

    Supervisor.stop(supervisor)
    heading("Supervisor.stop: the worker is gone")
    if argv == [], do: File.rm_rf!(home)
  end

  defp before_any_model(user) do
    heading("Before any training")
    say(PortWorker.recommend(@worker, user))
  end

  defp train do
    heading("retrain")

    progress = fn %{phase: phase, share: share, epoch: epoch} ->
      IO.puts("  #{percent(share)} #{phase}#{if epoch, do: " epoch #{epoch}"}")
    end

    {:ok, model} = PortWorker.retrain(@worker, algorithm: "ALS", on_progress: progress)

    IO.puts(
      "  #{model.algorithm}: #{model.rows} rows, #{model.users} users, #{model.items} items, #{model.duration_ms} ms"
    )
  end

  defp recommend(user, name, home) do
    heading("recommend, for #{name}")
    {:ok, %{source: :model, items: items}} = PortWorker.recommend(@worker, user, n: 5)
    names = names(home, Enum.map(items, fn {id, _score} -> id end))

    for {{id, score}, name} <- Enum.zip(items, names) do
      IO.puts("  #{score |> Float.round(3) |> to_string() |> String.pad_trailing(6)} #{id}  #{name}")
    end

    {:ok, %{source: source}} = PortWorker.recommend(@worker, "a user who came today", n: 5)
    IO.puts("  for somebody unknown: source is #{inspect(source)}")
  end

  defp mistakes(user) do
    heading("What cannot be done")
    say(PortWorker.recommend(@worker, user, n: "ten"))
    say(PortWorker.retrain(@worker, algorithm: "ALS", params: [embed_size: -1]))
    say(PortWorker.recommend(@worker, user, timeout: 0))
  end

  defp kill(user) do
    heading("kill -9 of the worker")
    {:ok, %{os_pid: old}} = PortWorker.status(@worker)
    connection = Process.monitor(@worker)
    {_, 0} = System.cmd("/bin/sh", ["-c", "kill -9 #{old}"])

    receive do
      {:DOWN, ^connection, :process, _pid, error} -> IO.puts("  #{error.code}: #{error.message}")
    end

    {ms, {:ok, %{source: :model}}} = timed(fn -> until_ok(fn -> PortWorker.recommend(@worker, user) end) end)
    {:ok, %{os_pid: new, rss_bytes: rss, heavy_modules: []}} = PortWorker.status(@worker)
    true = new != old

    IO.puts(
      "  a new one answers #{round(ms)} ms later, with the same model and #{div(rss, 1_000_000)} MB of memory"
    )
  end

  defp measure(user) do
    heading("Round trips, one call in flight (microseconds)")
    row("ping", fn -> {:ok, :pong} = PortWorker.ping(@worker) end)
    row("recommend", fn -> {:ok, _} = PortWorker.recommend(@worker, user) end)
  end

  defp row(name, call) do
    for _ <- 1..500, do: call.()
    times = Enum.sort(for _ <- 1..5_000, do: elem(:timer.tc(call), 0))
    IO.puts("  #{String.pad_trailing(name, 10)} p50 #{Enum.at(times, 2_500)}  p99 #{Enum.at(times, 4_950)}")
  end

  defp until_ok(call) do
    with {:error, %{retryable?: true}} <- call.() do
      Process.sleep(5)
      until_ok(call)
    end
  end

  defp timed(fun) do
    {us, result} = :timer.tc(fun)
    {us / 1_000, result}
  end

  defp say({:error, error}) do
    IO.puts("  #{inspect(error.code)}: #{error.message}#{if error.retryable?, do: " (may be retried)"}")
  end

  defp heading(text), do: IO.puts("\n#{text}")
  defp percent(share), do: String.pad_leading("#{round(share * 100)}%", 4)

  # Elixir has no SQLite without a dependency; the worker's Python has.

  defp somebody(home) do
    query =
      "SELECT id, display_name FROM users ORDER BY (SELECT count(*) FROM interactions WHERE user_id = id) DESC LIMIT 1"

    [user, name] = query(home, query, [])
    {user, name}
  end

  defp names(home, ids),
    do: Enum.flat_map(ids, &query(home, "SELECT name || ' (' || kind || ')' FROM items WHERE id = ?", [&1]))

  defp query(home, sql, parameters) do
    code = """
    import sqlite3, sys
    world, sql, *parameters = sys.argv[1:]
    print(*sqlite3.connect(world).execute(sql, parameters).fetchone(), sep="\\n")
    """

    python = Path.join(@root, ".venv/bin/python")
    {output, 0} = System.cmd(python, ["-c", code, Path.join(home, "world.sqlite"), sql | parameters])
    String.split(output, "\n", trim: true)
  end

  defp home([home]), do: home

  defp home([]) do
    home = Path.join(System.tmp_dir!(), "port_worker_demo_#{System.pid()}")
    File.mkdir_p!(home)
    home
  end
end

Demo.run(System.argv())
