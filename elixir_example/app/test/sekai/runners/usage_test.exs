defmodule Sekai.Runners.UsageTest do
  use ExUnit.Case, async: true

  alias Sekai.Runners.Usage

  @options [recommendations: 0, capacity: 10, price_per_hour: 36.0]

  defp report(usage, now, options \\ []), do: Usage.report(usage, now, Keyword.merge(@options, options))

  test "a runner that boots is paid for, and idle" do
    assert {report, _next} = 0 |> Usage.new() |> Usage.runners(1_000, 2) |> report(3_000)
    # Two runners for two seconds, of which an hour costs 36: a cent a second.
    assert_in_delta report.runner_seconds, 4.0, 1.0e-9
    assert_in_delta report.cost, 0.04, 1.0e-9
    assert %{runners: 2, workers: 0, in_flight: 0, utilisation: +0.0, busy: +0.0} = report
    refute Map.has_key?(report, :cost_per_1000)
  end

  test "what was there counts until something else is" do
    usage =
      0
      |> Usage.new()
      |> Usage.runners(0, 2)
      |> Usage.loads(0, [10, 0])
      |> Usage.loads(600, [5, 5])

    assert {report, next} = report(usage, 1_000, recommendations: 500)
    # 10 in flight for 600 ms and 10 for 400 ms, of the 20 that two workers can have.
    assert_in_delta report.utilisation, 0.5, 1.0e-9
    # One of two was busy for 600 ms, both for 400 ms.
    assert_in_delta report.busy, 0.7, 1.0e-9
    assert_in_delta report.cost_per_1000, 0.04, 1.0e-9
    assert %{runners: 2, workers: 2, in_flight: 10, recommendations: 500} = report

    # The next span begins with what there is, and with no sums.
    assert {report, _next} = next |> Usage.loads(1_000, []) |> Usage.runners(1_500, 0) |> report(2_000)
    assert_in_delta report.runner_seconds, 1.0, 1.0e-9
    assert %{runners: 0, workers: 0, utilisation: +0.0, busy: +0.0} = report
  end

  test "a span of no time has no shares" do
    assert {%{utilisation: +0.0, busy: +0.0, cost: +0.0}, _next} =
             5 |> Usage.new() |> Usage.runners(5, 1) |> Usage.loads(5, [1]) |> report(5)
  end

  test "the clock may begin below 0, as Erlang's does" do
    assert {%{runner_seconds: 1.0}, _next} = -9_000 |> Usage.new() |> Usage.runners(-9_000, 1) |> report(-8_000)
  end

  test "the total is the sum of all reports" do
    usage = 0 |> Usage.new() |> Usage.runners(0, 1)
    {first, usage} = report(usage, 1_000)
    total = Usage.total(Usage.total(), first)
    refute Map.has_key?(total, :cost_per_1000)

    {second, _usage} = report(usage, 4_000, recommendations: 2_000)
    total = Usage.total(total, second)
    assert %{recommendations: 2_000, runner_seconds: 4.0} = total
    assert_in_delta total.cost_per_1000, 0.02, 1.0e-9
    # Again, over what the first one has derived.
    assert %{recommendations: 4_000} = Usage.total(total, second)
  end
end
