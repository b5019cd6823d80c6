defmodule PortWorker.Bench.Run do
  @moduledoc """
  One run: start the workers, wait for `go` on stdin, make the calls, write what became of them.

  On stdout it says `ready PID...` when every worker answers, or `failed WHY` when one does not; then once a second
  `tick MILLISECONDS SENT OK ERRORS PID...`, then `done`. The pids are those of the workers, 0 for one that is not there.
  Everything else is said on stderr. When stdin ends, so does the run.
  """

  alias PortWorker.Bench.{Pacer, Plan, Samples, Watch, Workers}

  # A worker that does not start in time is to be named as such, rather than the ping that waits for it.
  @boot_more_ms 5_000
  @settle_ms 5
  @no_worker 3
  @given_up 130

  @doc "Runs the plan in a file, and writes the result into another."
  @spec main([Path.t()]) :: :ok
  def main([plan_path, result_path]) do
    log_to_stderr()
    plan = Plan.read!(plan_path)
    {:ok, supervisor} = Workers.start_link(plan.workers)
    servers = Workers.names(plan.workers)

    with {:error, error} <- Workers.await(servers, plan.boot_ms + @boot_more_ms), do: fail(error)

    IO.puts("ready #{Enum.map_join(servers, " ", &Workers.os_pid/1)}")
    if IO.gets("") == :eof, do: System.halt(@given_up)
    spawn(&halt_with_stdin/0)

    File.write!(result_path, plan |> run(servers) |> :erlang.term_to_binary())
    IO.puts("done")
    Supervisor.stop(supervisor)
  end

  @doc "Makes the calls of a plan. Returns what the result file holds."
  @spec run(Plan.t(), [PortWorker.server()]) :: %{String.t() => term()}
  def run(plan, servers) do
    samples = Samples.new(Plan.calls(plan))
    status_before = Workers.statuses(servers)
    before = machine(servers)
    load = Pacer.new(servers, plan.asks, samples)
    watch = Watch.start(servers, samples, load.start_ns)
    yielded_ns = pace(plan, load)
    queue_max = Watch.stop(watch)
    beam = beam(before, machine(servers), yielded_ns, queue_max)

    samples
    |> Samples.to_term()
    |> Map.merge(%{"before" => status_before, "after" => Workers.statuses(servers), "beam" => beam})
  end

  # Nanoseconds that the pacing itself took.
  defp pace(%{closed: nil, dues: dues, grace_ms: grace_ms}, load) do
    yielded_ns = Pacer.open(load, dues)
    settle(load.samples, System.monotonic_time(:millisecond) + grace_ms)
    yielded_ns
  end

  defp pace(%{closed: %{in_flight: in_flight, duration_ns: duration_ns}}, load) do
    Pacer.closed(load, in_flight, duration_ns)
    0
  end

  # Waits for answers, until all are there or the grace is over.
  defp settle(samples, until) do
    %{sent: sent, ok: ok, errors: errors} = Samples.counts(samples)
    all? = sent == samples.size and ok + errors == sent

    if not all? and System.monotonic_time(:millisecond) < until do
      Process.sleep(@settle_ms)
      settle(samples, until)
    end
  end

  defp machine(servers) do
    :erlang.system_flag(:scheduler_wall_time, true)
    online = System.schedulers_online()

    times =
      for {id, active, total} <- :erlang.statistics(:scheduler_wall_time), id <= online, do: {active, total}

    {runtime_ms, _since_last} = :erlang.statistics(:runtime)

    %{
      at_ns: Pacer.now(),
      active: times |> Enum.map(&elem(&1, 0)) |> Enum.sum(),
      total: times |> Enum.map(&elem(&1, 1)) |> Enum.sum(),
      runtime_ms: runtime_ms,
      reductions: Workers.reductions(servers)
    }
  end

  defp beam(before, after_, yielded_ns, queue_max) do
    schedulers = System.schedulers_online()
    elapsed_ns = max(after_.at_ns - before.at_ns, 1)
    active = (after_.active - before.active) / max(after_.total - before.total, 1)

    %{
      "elixir" => System.version(),
      "otp" => System.otp_release(),
      "schedulers" => schedulers,
      "elapsed_ns" => elapsed_ns,
      # Yielding until a call is due counts as work to the scheduler, and is none.
      "busy" => max(active - yielded_ns / (elapsed_ns * schedulers), 0.0),
      "cpu_ms" => after_.runtime_ms - before.runtime_ms,
      "yield_ms" => yielded_ns / 1_000_000,
      "queue_max" => queue_max,
      # A worker that was started again has a connection that counts from 0.
      "reductions" => max(after_.reductions - before.reductions, 0)
    }
  end

  # Workers end when their stdin does, which the end of this node closes.
  defp halt_with_stdin do
    if IO.gets("") == :eof, do: System.halt(@given_up), else: halt_with_stdin()
  end

  @spec fail(Exception.t()) :: no_return()
  defp fail(error) do
    IO.puts("failed #{error |> Exception.message() |> String.replace("\n", " ")}")
    System.halt(@no_worker)
  end

  # stdout carries the lines above alone.
  defp log_to_stderr do
    _ = :logger.remove_handler(:default)
    :ok = :logger.add_handler(:default, :logger_std_h, %{config: %{type: :standard_error}})
    :ok = :logger.set_primary_config(:level, :error)
  end
end
