defmodule PortWorker.PoolWorkerTest do
  # A pool of real workers that share a home, and two models in it.
  use ExUnit.Case, async: false

  import PortWorker.Eventually

  alias PortWorker.{Error, Pool, Real}

  @moduletag timeout: 300_000

  setup_all do
    home = Real.temporary_home()
    worker = start_supervised!({PortWorker, Real.options(home)})
    assert {:ok, %{version: first}} = PortWorker.retrain(worker, algorithm: "ALS")
    assert {:ok, %{version: second}} = PortWorker.retrain(worker, algorithm: "ALS", seed: 7, activate: :force)
    :ok = stop_supervised(PortWorker)
    {user, _seen} = Real.busiest_user(home)

    # They follow nobody by themselves, so what all serve is what each was told.
    env = %{"PORT_WORKER_WATCH_SECONDS" => "0"}
    options = [name: __MODULE__.Pool, workers: 2, env: env]
    start_supervised!({Pool, Real.options(home, options)})
    assert Pool.await_ready(__MODULE__.Pool, 120_000) == :ok
    %{pool: __MODULE__.Pool, home: home, first: first, second: second, user: user}
  end

  defp served(pool, user) do
    for %{pid: pid} <- Pool.workers(pool) do
      {:ok, %{model: version}} = PortWorker.recommend(pid, user)
      version
    end
  end

  # Asks again and again until it is told to stop: how many workers were ready at least, and what was answered.
  defp watch(pool, user), do: Task.async(fn -> watch(pool, user, 2, MapSet.new()) end)

  defp watch(pool, user, fewest, answers) do
    answer = with {:ok, %{source: :model}} <- PortWorker.recommend(pool, user), do: :ok
    fewest = min(fewest, Enum.count(Pool.workers(pool), &(&1.state == :ready)))
    answers = MapSet.put(answers, answer)

    receive do
      :stop -> {fewest, MapSet.to_list(answers)}
    after
      0 -> watch(pool, user, fewest, answers)
    end
  end

  defp seen(watcher) do
    send(watcher.pid, :stop)
    Task.await(watcher, 30_000)
  end

  test "activate and rollback reach one worker after the other, while all answer", context do
    %{pool: pool, first: first, second: second, user: user} = context
    assert served(pool, user) == [second, second]
    watcher = watch(pool, user)

    assert {:ok, %{version: ^first, previous: ^second}} = PortWorker.activate(pool, first)
    assert served(pool, user) == [first, first]
    assert {:ok, %{version: ^second, previous: ^first}} = PortWorker.rollback(pool)
    assert served(pool, user) == [second, second]
    assert {:error, %Error{code: :unknown_version}} = PortWorker.activate(pool, "20240101T000000Z-als-000000")
    assert served(pool, user) == [second, second]
    assert seen(watcher) == {2, [:ok]}
  end

  test "a worker that drains is not chosen; restart replaces it, while the other answers", %{
    pool: pool,
    user: user
  } do
    [%{pid: drained} | _] = before = Pool.workers(pool)
    assert {:ok, %{completed: _}} = PortWorker.drain(drained)
    for _ <- 1..20, do: assert({:ok, _} = PortWorker.recommend(pool, user))
    # The first call that it refused has told.
    assert eventually(fn -> :draining in Enum.map(Pool.workers(pool), & &1.state) end)

    watcher = watch(pool, user)
    assert {:ok, %{completed: _}} = Pool.restart(pool)
    assert {1, [:ok]} = seen(watcher)
    assert Enum.map(Pool.workers(pool), & &1.state) == [:ready, :ready]
    assert Enum.map(before, & &1.pid) -- Enum.map(Pool.workers(pool), & &1.pid) == Enum.map(before, & &1.pid)
  end

  test "what one worker is told of feedback and hidden items holds for the other", %{pool: pool, user: user} do
    {:ok, %{items: [{first, _}, {second, _} | _]}} = PortWorker.recommend(pool, user)
    assert {:ok, %{accepted: 1}} = PortWorker.feedback(pool, %{user: "newcomer", item: first})
    assert {:ok, %{hidden: 1}} = PortWorker.hide_items(pool, [second])

    for %{pid: pid} <- Pool.workers(pool) do
      assert {:ok, %{source: :fold_in}} = PortWorker.recommend(pid, "newcomer")
      assert {:ok, %{items: items}} = PortWorker.recommend(pid, user)
      refute List.keymember?(items, second, 0)
    end

    assert {:ok, %{hidden: 0}} = PortWorker.show_items(pool, [second])
  end

  if File.exists?("/proc/self/maps") do
    test "the workers map the same files of the model, of which the system keeps one copy", context do
      %{pool: pool, second: version} = context

      mapped =
        for %{pid: pid} <- Pool.workers(pool) do
          {:ok, %{os_pid: os_pid}} = PortWorker.status(pid)

          for line <- File.stream!("/proc/#{os_pid}/maps"),
              [_range, rights, _offset, _device, inode, path] <- [String.split(line)],
              path =~ version,
              into: MapSet.new(),
              do: {path, inode, String.at(rights, 1)}
        end

      assert [files, files] = mapped
      assert Enum.any?(files, fn {path, _inode, _write} -> path =~ "item_vectors" end)
      assert Enum.all?(files, fn {_path, _inode, write} -> write == "-" end)
    end
  end

  test "a drained pool takes no more", %{home: home, user: user} do
    pool = __MODULE__.Drained
    start_supervised!({Pool, Real.options(home, name: pool, workers: 2)})
    assert Pool.await_ready(pool, 120_000) == :ok
    assert {:ok, _} = PortWorker.recommend(pool, user)
    assert {:ok, %{completed: completed}} = PortWorker.drain(pool)
    assert completed >= 1
    assert {:error, %Error{code: :draining, retryable?: true}} = PortWorker.recommend(pool, user)
    assert {:ok, :pong} = PortWorker.ping(pool)
  end
end
