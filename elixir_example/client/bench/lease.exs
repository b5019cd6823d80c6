# What it costs when the node that has a lease's worker is killed, again and again, under load: two nodes of this machine,
# the real worker and a small model.
#
#     MIX_ENV=test mix run bench/lease.exs [KILLS]
#
# For each kill of a node, in milliseconds from before the signal is sent: until a call that was in flight was told, until
# a worker is placed on the other node, and until that one has answered. Then what all calls were answered, the longest that
# any took of those with a timeout of a second, and how many callers have died.

alias PortWorker.{Cluster, Lease, Real}

kills = System.argv() |> List.first("20") |> String.to_integer()
callers = 8
timeout = 1_000
home = Path.join(System.tmp_dir!(), "port_worker_lease_#{System.pid()}")
File.mkdir_p!(home)
now = fn -> System.monotonic_time(:microsecond) end
ms = fn microseconds -> Float.round(microseconds / 1_000, 1) end
Logger.configure(level: :emergency)
Cluster.start()

{:ok, worker} = PortWorker.start_link(Real.options(home))
{:ok, _model} = PortWorker.retrain(worker, algorithm: "ALS")
:ok = PortWorker.stop(worker)
{user, _seen} = Real.busiest_user(home)

nodes = [Cluster.start_node(), Cluster.start_node()]
placement = {Lease.Node, nodes: &Node.list/0, supervisor: Cluster.supervisor()}
{:ok, holder} = Lease.start_link(Real.options(home, name: Shop, placement: placement))
:ok = Lease.await_ready(Shop)
samples = :ets.new(:samples, [:public, :bag, write_concurrency: true])

ask = fn ask ->
  begun = now.()

  outcome =
    case PortWorker.recommend(Shop, user, timeout: timeout) do
      {:ok, %{source: :model}} -> :ok
      {:error, error} -> {error.code, error.retryable?}
    end

  :ets.insert(samples, {outcome, now.(), now.() - begun})
  # Somebody who is refused does without, and asks again for the next page.
  Process.sleep(5)
  ask.(ask)
end

loaders = for _ <- 1..callers, do: spawn(fn -> ask.(ask) end)
wait = fn wait, done? -> if done?.(), do: now.(), else: Process.sleep(1) && wait.(wait, done?) end
placed_on = fn -> with({:ok, connection} <- Lease.connection(Shop), do: node(connection)) end
median = fn times -> times |> Enum.sort() |> Enum.at(div(length(times), 2)) end

{times, _nodes} =
  Enum.map_reduce(1..kills, nodes, fn number, nodes ->
    victim = Enum.find(nodes, &(&1.name == placed_on.()))
    [other] = List.delete(nodes, victim)
    # A call that is surely in flight: it is never answered, since the worker is stopped.
    {:ok, %{os_pid: os_pid}} = PortWorker.status(Shop)
    {_, 0} = System.cmd("/bin/sh", ["-c", "kill -STOP #{os_pid}"])
    call = Task.async(fn -> {PortWorker.recommend(Shop, user, timeout: :infinity), now.()} end)
    Process.sleep(20)

    at = now.()
    Cluster.kill(victim)
    {{:error, %{code: :worker_down, retryable?: true}}, told} = Task.await(call)
    placed = wait.(wait, fn -> placed_on.() == other.name end)
    answered = wait.(wait, fn -> match?({:ok, _}, PortWorker.recommend(Shop, user)) end)
    _ = System.cmd("/bin/sh", ["-c", "kill -KILL #{os_pid}"], stderr_to_stdout: true)

    times = {told - at, placed - at, answered - at}
    {a, b, c} = times
    IO.puts("kill #{number}: told after #{ms.(a)} ms, placed after #{ms.(b)} ms, answered after #{ms.(c)} ms")
    {times, [Cluster.start_node(), other]}
  end)

for {name, place} <- [told: 0, placed: 1, answered: 2] do
  column = Enum.map(times, &elem(&1, place))
  IO.puts("#{name}: median #{ms.(median.(column))} ms, longest #{ms.(Enum.max(column))} ms")
end

IO.puts(
  "callers that died: #{Enum.count(loaders, &(not Process.alive?(&1)))}; the lease lives: #{Process.alive?(holder)}"
)

for pid <- loaders, do: Process.exit(pid, :kill)
all = :ets.tab2list(samples)
IO.inspect(Enum.frequencies_by(all, &elem(&1, 0)), label: "answers")

IO.puts(
  "longest call: #{all |> Enum.map(&elem(&1, 2)) |> Enum.max() |> ms.()} ms, with a timeout of #{timeout} ms"
)

PortWorker.stop(Shop)
File.rm_rf!(home)
