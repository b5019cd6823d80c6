defmodule Sekai.Jobs.CrashTest do
  @moduledoc """
  Everybody's lists are made by another BEAM, whose worker is killed, and which is killed itself, again and again, and
  started again. `FIGURES=1 mix test test/sekai/jobs/crash_test.exs` shows what came of it.
  """

  use Sekai.WorkerCase

  alias Sekai.Accounts.User
  alias Sekai.Jobs.{BatchRecommendWorker, Lifeline}
  alias Sekai.Models
  alias Sekai.{Recommendations, Recommender}
  alias Sekai.Recommendations.{BatchRun, Recommendation}

  @more_users 20_000
  @page 100

  test "each user has one list, whoever was killed while they were made", %{home: home} do
    users = add_users()
    version = train()
    {:ok, job} = BatchRecommendWorker.request(version)
    began = System.monotonic_time(:millisecond)

    node = start_node(home)
    eventually(fn -> done() >= 3_000 end, 60_000)
    kill(worker(node))

    eventually(fn -> done() >= 7_000 end, 60_000)
    kill(node.os_pid)
    assert job(job).state == "executing"
    assert done() < users

    second = start_node(home)
    assert second.os_pid != node.os_pid
    eventually(fn -> done() >= 13_000 end, 60_000)
    kill(second.os_pid)
    assert job(job).state == "executing"
    assert done() < users

    third = start_node(home)
    eventually(fn -> job(job).state == "completed" end, 60_000)

    assert Repo.aggregate(Recommendation, :count) == users
    assert Recommendations.count(version) == users
    assert [%{state: :succeeded, users: ^users}] = Repo.all(BatchRun)
    without = from u in User, left_join: r in Recommendation, on: r.user_id == u.id, where: is_nil(r.user_id)
    refute Repo.exists?(without)

    stop_node(third)
    figures(users, job(job), System.monotonic_time(:millisecond) - began)
  end

  defp add_users do
    Repo.query!(
      """
      INSERT INTO users (id, username, display_name, inserted_at, updated_at)
      SELECT gen_random_uuid(), 'more' || n, 'More ' || n, now(), now() FROM generate_series(1, $1::int) AS n
      """,
      [@more_users]
    )

    Repo.aggregate(User, :count)
  end

  defp train do
    {:ok, %{version: version}} =
      PortWorker.retrain(Recommender, algorithm: "ALS", params: [embed_size: 8, n_epochs: 3], activate: :force)

    {:ok, _version} = Models.put_version(%{version: version, algorithm: "ALS", trained_at: DateTime.utc_now()})
    {:ok, _version} = Models.mark_active(version)
    version
  end

  defp done, do: Repo.one(from r in BatchRun, select: r.users) || 0

  defp job(%{id: id}), do: Sekai.Jobs.repo().get!(Oban.Job, id)

  defp start_node(home) do
    pools =
      for repo <- Application.fetch_env!(:sekai, :ecto_repos), do: {repo, [pool: DBConnection.ConnectionPool]}

    jobs = [
      testing: :disabled,
      queues: [batch: 1],
      stage_interval: 100,
      plugins: [{Lifeline, interval: 250, rescue_after: 1_500}]
    ]

    options = pools ++ [{Oban, jobs}, {Recommender, options(home)}, {BatchRecommendWorker, page: @page, n: 20}]
    encoded = options |> :erlang.term_to_binary() |> Base.encode64()
    script = Path.expand("../../support/node.exs", __DIR__)

    port =
      Port.open({:spawn_executable, System.find_executable("mix")}, [
        :binary,
        line: 10_000,
        args: ["run", "--no-compile", "--no-deps-check", "--no-start", script, encoded],
        env: [{~c"MIX_ENV", ~c"test"}]
      ])

    %{port: port, os_pid: said(port, "node ")}
  end

  # Its end is the end of its input.
  defp stop_node(%{port: port}), do: Port.close(port)

  defp worker(%{port: port}) do
    Port.command(port, "worker\n")
    said(port, "worker ")
  end

  defp said(port, prefix) do
    receive do
      {^port, {:data, {:eol, line}}} ->
        if String.starts_with?(line, prefix),
          do: String.replace_prefix(line, prefix, ""),
          else: said(port, prefix)
    after
      60_000 -> flunk("the node did not say #{prefix}")
    end
  end

  defp kill(os_pid) do
    {_output, 0} = System.cmd("kill", ["-KILL", os_pid])
    eventually(fn -> gone?(os_pid) end)
  end

  defp gone?(os_pid) do
    case File.read("/proc/#{os_pid}/stat") do
      {:ok, stat} -> stat =~ ") Z "
      {:error, _why} -> true
    end
  end

  defp figures(users, job, ms) do
    if System.get_env("FIGURES") do
      IO.puts("""

      #{users} users, #{Repo.aggregate(Recommendation, :count)} lists, each of one user; killed: 1 worker, 2 nodes;
      attempts of the job: #{job.attempt}; #{Float.round(ms / 1000, 1)} s, with the boots of 3 nodes
      """)
    end
  end
end
