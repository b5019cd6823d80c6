defmodule PortWorker.CrowdTest do
  # 10,000 callers at once, of a real worker.
  use ExUnit.Case, async: false

  import PortWorker.Eventually

  alias PortWorker.{Error, Peak, Real, Rude}

  @moduletag timeout: 300_000

  @callers 10_000
  @bytes 64 * 1_048_576

  # Each calls once, all begin together. Returns how often each answer came.
  defp crowd(call) do
    test = self()
    gate = make_ref()

    callers =
      for _ <- 1..@callers do
        spawn_link(fn ->
          receive do: (^gate -> :ok)
          answer = call.()
          {:messages, left} = Process.info(self(), :messages)
          send(test, {gate, outcome(answer), left})
        end)
      end

    Enum.each(callers, &send(&1, gate))

    for _ <- callers, reduce: %{} do
      outcomes ->
        assert_receive {^gate, outcome, []}, 60_000
        Map.update(outcomes, outcome, 1, &(&1 + 1))
    end
  end

  defp outcome({:ok, _result}), do: :ok
  defp outcome({:error, %Error{code: code}}), do: code

  defp assert_bounded(server, peak) do
    seen = Peak.seen(peak)
    # Each caller has said one thing and at most one more, that it gives up.
    assert seen.queue <= 2 * @callers + 256
    assert seen.bytes < @bytes
    assert eventually(fn -> match?({:ok, %{in_flight: 0, waiting: 0}}, PortWorker.info(server)) end)
    :erlang.garbage_collect(server)
    assert {:message_queue_len, 0} = Process.info(server, :message_queue_len)
    {:memory, left} = Process.info(server, :memory)
    assert left < 1_048_576
  end

  test "are each answered or told of the overload" do
    home = Real.temporary_home()
    options = [command: Real.command(), args: ["--home", home], boot_timeout: 120_000]
    server = start_supervised!({PortWorker, options ++ [max_in_flight: 128, max_queue: 1_000]})
    {:ok, _} = PortWorker.await_ready(server, 120_000)
    peak = Peak.watch(server)

    outcomes = crowd(fn -> PortWorker.ping(server, timeout: 30_000) end)
    assert Map.keys(outcomes) -- [:ok, :overloaded] == []
    assert outcomes.ok >= 1_128
    assert_bounded(server, peak)
    assert {:ok, :pong} = PortWorker.ping(server)
  end

  test "are answered one after the other where there is room for all" do
    server = start_supervised!({PortWorker, Rude.options("{}", max_in_flight: 128, max_queue: @callers)})
    {:ok, _} = PortWorker.await_ready(server)
    peak = Peak.watch(server)
    assert crowd(fn -> PortWorker.ping(server, timeout: 60_000) end) == %{ok: @callers}
    assert_bounded(server, peak)
  end

  test "of a worker that answers none are told in time, and leave nothing behind" do
    server =
      start_supervised!(
        {PortWorker, Rude.options("{}", max_in_flight: 128, max_queue: 1_000, hang_after: 500)}
      )

    {:ok, _} = PortWorker.await_ready(server)
    peak = Peak.watch(server)
    outcomes = crowd(fn -> PortWorker.recommend(server, "silent", timeout: 300) end)
    assert Map.keys(outcomes) -- [:overloaded, :deadline_exceeded] == []
    assert_bounded(server, peak)
  end
end
