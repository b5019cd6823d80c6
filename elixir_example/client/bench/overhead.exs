# What the client costs over a bare Port: rounds of both against workers of the same command, in turns.
#
#     cd elixir_example/client && mix run bench/overhead.exs [--seconds S] [--worker COMMAND]
#
# Two figures, medians of the rounds:
#
#   rate      pings a second with 64 in flight: 64 processes that call PortWorker.ping, and one process that keeps 64
#             unanswered on a bare Port. The goal is 60% of the bare Port's.
#   overhead  what one call, with no other in flight, takes longer than a round trip of the bare Port (p50), with this
#             node and the worker pinned to one processor by taskset. The goal is 15 us.
#
# The bare loop does what any host has to: it encodes a call with a new id, and decodes the answer.

defmodule PortWorker.Bench.Overhead do
  @in_flight 64
  @rounds 9

  @root Path.expand("../../..", __DIR__)

  def main(argv) do
    {options, rest} =
      OptionParser.parse!(argv, strict: [seconds: :float, worker: :string, pinned: :boolean, rounds: :integer])

    [] = rest
    home = Path.join(System.tmp_dir!(), "port_worker_overhead_#{System.pid()}")
    command = options[:worker] || Path.join(@root, "bin/worker")
    ms = round(1_000 * (options[:seconds] || 0.5))
    rounds = options[:rounds] || @rounds

    {:ok, client} = PortWorker.start_link(command: command, args: ["--home", home], boot_timeout: 600_000)
    {:ok, :pong} = PortWorker.ping(client, timeout: 600_000)
    port = open(command, home)

    try do
      if options[:pinned], do: latency(client, port, rounds, ms), else: rate(client, port, rounds, ms)
    after
      PortWorker.stop(client)
      Port.close(port)
      Enum.each([home, home <> "_bare"], &File.rm_rf!/1)
    end

    if not Keyword.get(options, :pinned, false), do: pinned(argv)
  end

  defp pinned(argv) do
    case System.find_executable("taskset") do
      nil ->
        IO.puts("overhead: not measured, there is no taskset here")

      taskset ->
        ebin = Application.app_dir(:port_worker, "ebin")
        elixir = System.find_executable("elixir")
        args = ["-c", "0", elixir, "-pa", ebin, __ENV__.file, "--pinned" | argv]
        {_, 0} = System.cmd(taskset, args, into: IO.stream())
    end
  end

  defp rate(client, port, rounds, ms) do
    pairs = rounds(rounds, fn -> client_rate(client, ms) end, fn -> raw_rate(port, ms) end)
    {through, bare} = Enum.unzip(pairs)
    share = median(for {a, b} <- pairs, do: a / b)

    IO.puts(
      "rate, #{@in_flight} in flight: client #{round(median(through))}/s, bare port #{round(median(bare))}/s: " <>
        "#{percent(share)} (goal 60%)"
    )
  end

  defp latency(client, port, rounds, ms) do
    pairs = rounds(rounds, fn -> client_p50(client, ms) end, fn -> raw_p50(port, ms) end)
    {through, bare} = Enum.unzip(pairs)
    over = median(for {a, b} <- pairs, do: a - b)

    IO.puts(
      "one in flight, one processor: client p50 #{us(median(through))}, bare port p50 #{us(median(bare))}: " <>
        "#{us(over)} more (goal 15 us)"
    )
  end

  defp rounds(rounds, through, bare) do
    {through.(), bare.()}

    for round <- 1..rounds do
      # In turns, and in either order, so that what the machine does meanwhile hits both.
      if rem(round, 2) == 0 do
        a = through.()
        {a, bare.()}
      else
        b = bare.()
        {through.(), b}
      end
    end
  end

  # Through the client

  defp client_rate(client, ms) do
    until = now() + ms * 1_000_000
    started = now()
    tasks = for _ <- 1..@in_flight, do: Task.async(fn -> ping_until(client, until, 0) end)
    count = tasks |> Task.await_many(:infinity) |> Enum.sum()
    count / ((now() - started) / 1_000_000_000)
  end

  defp ping_until(client, until, count) do
    {:ok, :pong} = PortWorker.ping(client)
    if now() < until, do: ping_until(client, until, count + 1), else: count + 1
  end

  defp client_p50(client, ms), do: p50(fn -> {:ok, :pong} = PortWorker.ping(client) end, ms)

  # On a bare Port

  defp open(command, home) do
    port =
      Port.open({:spawn_executable, command}, [
        :binary,
        :exit_status,
        :use_stdio,
        :hide,
        packet: 4,
        args: ["--home", home <> "_bare"]
      ])

    receive do
      {^port, {:data, frame}} -> {:hello, _} = :erlang.binary_to_term(frame, [:safe])
    end

    port
  end

  defp raw_rate(port, ms) do
    until = now() + ms * 1_000_000
    started = now()
    for id <- 1..@in_flight, do: send_ping(port, id)
    count = raw_loop(port, @in_flight + 1, @in_flight, until)
    count / ((now() - started) / 1_000_000_000)
  end

  defp raw_loop(_port, next, 0, _until), do: next - 1

  defp raw_loop(port, next, open, until) do
    _id = receive_pong(port)

    if now() < until do
      send_ping(port, next)
      raw_loop(port, next + 1, open, until)
    else
      raw_loop(port, next, open - 1, until)
    end
  end

  defp raw_p50(port, ms) do
    p50(
      fn ->
        send_ping(port, 7)
        receive_pong(port)
      end,
      ms
    )
  end

  defp send_ping(port, id),
    do: true = Port.command(port, :erlang.term_to_binary({:call, id, :ping, %{}, 5_000}), [:nosuspend])

  defp receive_pong(port) do
    receive do
      {^port, {:data, frame}} ->
        {:ok, id, :pong} = :erlang.binary_to_term(frame, [:safe])
        id
    end
  end

  # Figures

  defp p50(call, ms) do
    until = now() + ms * 1_000_000
    call |> times(until, []) |> median()
  end

  defp times(call, until, times) do
    started = now()
    call.()
    ended = now()
    if ended < until, do: times(call, until, [ended - started | times]), else: [ended - started | times]
  end

  defp median(values) do
    sorted = Enum.sort(values)
    Enum.at(sorted, div(length(sorted), 2))
  end

  defp percent(share), do: "#{Float.round(100 * share, 1)}%"
  defp us(ns), do: "#{Float.round(ns / 1_000, 1)} us"
  defp now, do: System.monotonic_time(:nanosecond)
end

PortWorker.Bench.Overhead.main(System.argv())
