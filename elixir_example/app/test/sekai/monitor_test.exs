defmodule Sekai.MonitorTest do
  use ExUnit.Case

  alias Sekai.{Monitor, ScriptedWorker}

  defp start(options) do
    name = :"monitor_#{System.unique_integer([:positive])}"
    :ok = Monitor.subscribe(name)
    start_supervised!({Monitor, Keyword.merge([name: name, placement: :none, look_ms: 20], options)})
    name
  end

  defp answer(ms, about \\ %{}) do
    duration = System.convert_time_unit(ms, :millisecond, :native)

    :telemetry.execute(
      [:sekai, :recommendations, :stop],
      %{duration: duration},
      Map.merge(%{op: :recommend, source: :model, fallback: nil}, about)
    )
  end

  test "tells how long answers took, and which were no more than a fallback, or failed" do
    name = start([])
    answer(10)
    answer(20, %{source: :popular, fallback: :worker_down})
    answer(30, %{source: nil})

    assert_receive {:monitor, %{latency: %{count: 3, fallback: 1, failed: 1, p50: 20.0, p99: 30.0}}}
    assert %{latency: %{count: 3}} = Monitor.snapshot(name)
  end

  test "measures what it is given, as the API does" do
    start([])
    answer = {:ok, %{items: [], source: :stored, model: "v1", fallback: PortWorker.Error.new(:overloaded, "")}}

    assert Monitor.measure(:recommend, fn -> answer end) == answer
    assert_receive {:monitor, %{latency: %{count: 1, fallback: 1}}}

    error = {:error, PortWorker.Error.new(:no_model, "")}
    assert Monitor.measure(:similar, fn -> error end) == error
    assert_receive {:monitor, %{latency: %{count: 2, failed: 1}}}
  end

  test "tells nothing twice, and no more often than it looks" do
    start(look_ms: 300)
    for _each <- 1..5_000, do: answer(1)

    assert_receive {:monitor, %{latency: %{count: count}}}, 1_000
    assert count > 0
    {:messages, waiting} = Process.info(self(), :messages)
    assert length(waiting) <= 1
  end

  test "keeps the last 4,096 answers" do
    name = start([])
    for _each <- 1..6_000, do: answer(1)

    assert_receive {:monitor, %{latency: %{count: 4_096}}}, 2_000
    assert :ets.info(name, :size) <= 4_097
  end

  @tag :capture_log
  test "counts on after it was killed" do
    name = start([])
    pid = Process.whereis(name)
    ref = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^ref, :process, _pid, :killed}

    # One that comes in between finds no table, and must not hurt who has answered.
    answer(1)
    await_restart(name, pid)
    answer(7)
    assert_receive {:monitor, %{latency: %{p99: 7.0}}}
  end

  defp await_restart(name, old) do
    case Process.whereis(name) do
      pid when pid in [nil, old] -> Process.sleep(1) && await_restart(name, old)
      pid -> :sys.get_state(pid)
    end
  end

  test "knows the runners' last report" do
    start([])
    report = %{runners: 2, workers: 2, in_flight: 1, utilisation: 0.5, busy: 0.5}
    :telemetry.execute([:sekai, :runners, :usage], report, %{pool: Sekai.Runners.Pool})
    assert_receive {:monitor, %{runners: ^report}}
  end

  test "knows the worker of this node, and that it is gone" do
    start(placement: :local)
    assert_receive {:monitor, %{workers: [%{state: :down, in_flight: 0}]}}

    ScriptedWorker.start()
    assert_receive {:monitor, %{workers: [%{state: :ready}]}}, 5_000
  end

  test "before it has started there is an empty snapshot" do
    assert %{latency: %{count: 0}, workers: [], runners: nil} = Monitor.snapshot(:no_such_monitor)
  end
end
