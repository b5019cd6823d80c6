defmodule PortWorker.ScalingTest do
  # The clock is the test's.
  use ExUnit.Case, async: true

  alias PortWorker.Fleet.Scaling

  # 10 calls are a worker's full use, 5 are well used, and fewer than 2.5 each are too few.
  @scaling %Scaling{
    min: 1,
    max: 8,
    capacity: 10,
    grow_at: 0.5,
    grow_after: 5_000,
    idle_shutdown_after: 30_000
  }

  # Each tenth of a second for so many ms: what was decided, and when, with leases that are ready as soon as they are wanted.
  defp run(scaling, leases, in_flight, ms, from \\ 0) do
    {scaling, leases, decisions} =
      Enum.reduce(Enum.take_every(from..(from + ms), 100), {scaling, leases, []}, fn now,
                                                                                     {scaling, leases,
                                                                                      decisions} ->
        load = if is_function(in_flight), do: in_flight.(now), else: in_flight

        case Scaling.decide(scaling, now, %{leases: leases, ready: leases, in_flight: load}) do
          {:stay, scaling} -> {scaling, leases, decisions}
          {{:grow, count}, scaling} -> {scaling, leases + count, [{now, {:grow, count}} | decisions]}
          {{:shrink, count}, scaling} -> {scaling, leases - count, [{now, {:shrink, count}} | decisions]}
        end
      end)

    {scaling, leases, Enum.reverse(decisions)}
  end

  test "there are as many as :min at once, whatever the load" do
    assert {_, 3, [{0, {:grow, 3}}]} = run(%{@scaling | min: 3}, 0, 0, 60_000)
  end

  test "a load that is between too much and too little changes nothing" do
    assert {_, 2, []} = run(@scaling, 2, 10, 300_000)
    assert {_, 2, []} = run(@scaling, 2, 6, 300_000)
    assert {_, 1, []} = run(@scaling, 1, 0, 300_000)
  end

  test "it grows to what the load takes, once that has held for :grow_after" do
    assert {_, 2, [{5_000, {:grow, 1}}]} = run(@scaling, 1, 9, 60_000)
    assert {_, 4, [{5_000, {:grow, 2}}]} = run(@scaling, 2, 17, 60_000)
  end

  test "no more than twice as many at a time, and never more than :max" do
    assert {_, 8, [{5_000, {:grow, 1}}, {10_100, {:grow, 2}}, {15_200, {:grow, 4}}]} =
             run(@scaling, 1, 1_000, 60_000)

    assert {_, 3, [{5_000, {:grow, 1}}, {10_100, {:grow, 1}}]} = run(%{@scaling | max: 3}, 1, 1_000, 60_000)
  end

  test "it does not grow while leases are not ready yet" do
    decide = fn now, scaling ->
      {decision, scaling} = Scaling.decide(scaling, now, %{leases: 2, ready: 1, in_flight: 100})
      assert decision == :stay
      scaling
    end

    scaling = 0..60_000 |> Enum.take_every(100) |> Enum.reduce(@scaling, decide)
    assert {_, 4, [{65_100, {:grow, 2}}]} = run(scaling, 2, 100, 5_000, 60_100)
  end

  test "neither a burst nor a lull counts" do
    burst = fn now -> if rem(now, 10_000) < 300, do: 20, else: 3 end
    assert {_, 1, []} = run(@scaling, 1, burst, 120_000)
    lull = fn now -> if rem(now, 10_000) < 300, do: 0, else: 8 end
    assert {_, 2, []} = run(@scaling, 2, lull, 120_000)
  end

  test "it shrinks to what would do at half the use, once that has held for :idle_shutdown_after" do
    assert {_, 1, [{30_000, {:shrink, 4}}]} = run(@scaling, 5, 0, 120_000)
    # 7 calls are 3 workers' at 2.5 each.
    assert {_, 3, [{30_000, {:shrink, 2}}]} = run(@scaling, 5, 7, 120_000)
    assert {_, 2, [{30_000, {:shrink, 3}}]} = run(%{@scaling | min: 2}, 5, 0, 120_000)
  end

  test "what has shrunk does not grow by the same load" do
    for load <- 0..30 do
      {scaling, leases, _} = run(@scaling, 8, load, 200_000)
      assert {_, ^leases, []} = run(scaling, leases, load, 200_000, 200_100)
    end
  end

  test "none goes while none is ready" do
    scaling =
      for now <- 0..90_000//100, reduce: @scaling do
        scaling ->
          {:stay, scaling} = Scaling.decide(scaling, now, %{leases: 3, ready: 0, in_flight: 0})
          scaling
      end

    assert scaling.idle_since == nil
  end

  test "utilisation is the share of what the ready ones can have" do
    {:stay, scaling} = Scaling.decide(@scaling, 0, %{leases: 2, ready: 2, in_flight: 7})
    assert Scaling.utilisation(scaling, 2) == 0.35
    assert Scaling.utilisation(scaling, 0) == 0.0
  end
end
