# What a kill -9 of one worker in a pool of two costs whom, under load, with the real worker and a small model.
#
#     MIX_ENV=test mix run bench/kill.exs [KILLS]
#
# For each kill, in milliseconds from before the signal is sent: until the last of the dead worker's callers was told, and
# until two workers are ready again. Then what all calls were answered, and the longest that any took that was answered.

alias PortWorker.{Pool, Real}

kills = System.argv() |> List.first("10") |> String.to_integer()
callers = 8
home = Path.join(System.tmp_dir!(), "port_worker_kill_#{System.pid()}")
File.mkdir_p!(home)
now = fn -> System.monotonic_time(:microsecond) end
ms = fn microseconds -> Float.round(microseconds / 1_000, 1) end
Logger.configure(level: :emergency)

{:ok, worker} = PortWorker.start_link(Real.options(home))
{:ok, _model} = PortWorker.retrain(worker, algorithm: "ALS")
:ok = PortWorker.stop(worker)
{user, _seen} = Real.busiest_user(home)

# This is about one kill, though it is done many times: nothing is to wait, or to end, because of those before.
often = [max_restarts: 1_000, backoff_min: 0, backoff_max: 0]
{:ok, _} = Pool.start_link(Real.options(home, [name: Shop, workers: 2] ++ often))
:ok = Pool.await_ready(Shop)
samples = :ets.new(:samples, [:public, :bag, write_concurrency: true])

ask = fn ask ->
  begun = now.()

  outcome =
    case PortWorker.recommend(Shop, user) do
      {:ok, %{source: :model}} -> :ok
      {:error, error} -> {error.code, error.retryable?}
    end

  :ets.insert(samples, {outcome, now.(), now.() - begun})
  Process.sleep(1)
  ask.(ask)
end

loaders = for _ <- 1..callers, do: spawn_link(fn -> ask.(ask) end)

two_ready? = fn before ->
  workers = Pool.workers(Shop)
  length(workers) == 2 and Enum.all?(workers, &(&1.state == :ready and &1.pid not in before))
end

wait = fn wait, before ->
  if two_ready?.(before), do: now.(), else: Process.sleep(1) && wait.(wait, before)
end

for number <- 1..kills do
  [victim, _other] = Enum.shuffle(Pool.workers(Shop))
  {:ok, %{os_pid: os_pid}} = PortWorker.status(victim.pid)
  %{in_flight: in_flight} = Enum.find(Pool.workers(Shop), &(&1.pid == victim.pid))
  at = now.()
  {_, 0} = System.cmd("/bin/sh", ["-c", "kill -9 #{os_pid}"])
  ready = wait.(wait, [victim.pid])

  told =
    for {outcome, answered, _took} when outcome != :ok <- :ets.tab2list(samples), answered > at, do: answered

  last =
    if told == [], do: "nobody to tell", else: "#{length(told)} told after #{ms.(Enum.max(told) - at)} ms"

  IO.puts("kill #{number}: #{in_flight} in flight; #{last}; two ready after #{ms.(ready - at)} ms")
  Process.sleep(300)
end

for pid <- loaders, do: Process.unlink(pid) && Process.exit(pid, :kill)
all = :ets.tab2list(samples)
IO.inspect(Enum.frequencies_by(all, &elem(&1, 0)), label: "answers")
took = for {:ok, _, took} <- all, do: took
took = Enum.sort(took)
percentile = fn share -> took |> Enum.at(trunc(share * (length(took) - 1))) |> ms.() end
IO.puts("answered: p50 #{percentile.(0.5)} ms, p99 #{percentile.(0.99)} ms, longest #{percentile.(1.0)} ms")
PortWorker.stop(Shop)
File.rm_rf!(home)
