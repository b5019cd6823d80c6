defmodule Sekai.Monitor.WindowTest do
  use ExUnit.Case, async: true

  alias Sekai.Monitor.Window

  doctest Window

  @now 1_000_500

  defp ago(ms, took, outcome \\ :answered), do: {@now - ms, took, outcome}

  describe "percentile/2" do
    test "is one of the values, that as many as asked for are not above" do
      values = 1..100 |> Enum.map(&(&1 / 1)) |> List.to_tuple()
      for percent <- [1, 50, 95, 99, 100], do: assert(Window.percentile(values, percent) == percent / 1)
    end

    test "of one is that one" do
      for percent <- [1, 50, 99], do: assert(Window.percentile({7.5}, percent) == 7.5)
    end
  end

  describe "summary/2" do
    test "of nothing has no percentiles and empty seconds" do
      assert %{count: 0, p50: nil, p95: nil, p99: nil, fallback: 0, failed: 0, seconds: seconds} =
               Window.summary([], @now)

      assert seconds == List.duplicate(nil, Window.seconds())
    end

    test "counts and ranks what is of the last sixty seconds" do
      samples = [ago(0, 30.0), ago(100, 10.0, :fallback), ago(59_400, 20.0, :failed), ago(59_600, 999.0)]

      assert %{count: 3, fallback: 1, failed: 1, p50: 20.0, p99: 30.0} = Window.summary(samples, @now)
    end

    test "has the slowest and the worst of each second, the newest last" do
      samples = [ago(0, 5.0), ago(200, 50.0, :fallback), ago(3_000, 8.0), ago(3_000, 9.0, :failed)]
      seconds = Window.summary(samples, @now).seconds

      assert length(seconds) == Window.seconds()
      assert List.last(seconds) == %{slow: 50.0, worst: :fallback}
      assert Enum.at(seconds, -4) == %{slow: 9.0, worst: :failed}
      assert Enum.count(seconds, & &1) == 2
    end

    test "does not change within a second where nothing comes" do
      samples = [{@now, 5.0, :answered}]
      assert Window.summary(samples, @now) == Window.summary(samples, @now + 400)
      refute Window.summary(samples, @now) == Window.summary(samples, @now + 500)
    end
  end
end
