defmodule PortWorker.Bench.Pacer do
  @moduledoc """
  The two ways of making calls, each call in a process of its own kind.

  Open loop: whatever is due is spawned, one process a call, as requests come to a web server. Timers of the BEAM fire on
  whole milliseconds. A call that is due shortly after one is waited for by yielding to whoever else can run; any other is
  made with the next millisecond, together with all that are due by then. To yield for longer would take a processor
  that the worker may need: with two of them, 2,000 calls a second then took three times as long. How late each call was
  is recorded, and its latency counts from the due time.

  Closed loop: so many processes, each of which makes its next call when it has the answer to the last.
  """

  alias PortWorker.Bench.{Ask, Samples}

  @ms 1_000_000
  @lead_ms 20
  @yield_ns 200_000

  @enforce_keys [:servers, :samples, :start_ns]
  defstruct @enforce_keys

  @typedoc "What a caller needs to know. `start_ns`: when the first call may be due, in monotonic nanoseconds."
  @type t :: %__MODULE__{servers: tuple(), samples: Samples.t(), start_ns: integer()}

  @doc "Monotonic nanoseconds."
  @spec now() :: integer()
  def now, do: System.monotonic_time(:nanosecond)

  @doc """
  A load that begins shortly, on a whole millisecond, which timers can hit.

  The requests become a persistent term: every caller is a process, and is not to be given a copy of all of them.
  """
  @spec new([PortWorker.server()], tuple(), Samples.t()) :: t()
  def new(servers, asks, samples) do
    :persistent_term.put(__MODULE__, asks)

    %__MODULE__{
      servers: List.to_tuple(servers),
      samples: samples,
      start_ns: (Integer.floor_div(now(), @ms) + @lead_ms) * @ms
    }
  end

  @doc "Makes every call at its due time. Returns when the last was made, with the nanoseconds that were spent yielding."
  @spec open(t(), binary()) :: non_neg_integer()
  def open(load, dues), do: open(load, dues, 0, 0)

  defp open(_load, <<>>, _k, yielded_ns), do: yielded_ns

  defp open(load, <<due::signed-little-64, rest::binary>>, k, yielded_ns) do
    yielded_ns = yielded_ns + wait_until(load.start_ns + due)
    spawn(fn -> make(load, k, due) end)
    open(load, rest, k + 1, yielded_ns)
  end

  @doc "Keeps `in_flight` callers busy until `duration_ns`, or until every place of the samples is taken."
  @spec closed(t(), pos_integer(), pos_integer()) :: :ok
  def closed(load, in_flight, duration_ns) do
    next = :atomics.new(1, [])
    wait_until(load.start_ns)
    callers = for _ <- 1..in_flight, do: spawn_monitor(fn -> again(load, next, duration_ns) end)
    Enum.each(callers, &await/1)
  end

  defp again(load, next, duration_ns) do
    k = :atomics.add_get(next, 1, 1) - 1
    due = now() - load.start_ns

    if due < duration_ns and k < load.samples.size do
      make(load, k, due)
      again(load, next, duration_ns)
    end
  end

  defp await({pid, monitor}) do
    receive do
      {:DOWN, ^monitor, :process, ^pid, _reason} -> :ok
    end
  end

  defp make(%{samples: samples} = load, k, due) do
    Samples.sent(samples, k, due, now() - load.start_ns - due)
    result = Ask.run(cycled(load.servers, k), cycled(:persistent_term.get(__MODULE__), k))
    Samples.answered(samples, k, now() - load.start_ns - due, result)
  end

  defp cycled(tuple, k), do: elem(tuple, rem(k, tuple_size(tuple)))

  # Returns the nanoseconds of yielding.
  defp wait_until(at) do
    past_tick = Integer.mod(at, @ms)

    cond do
      at <= now() -> 0
      past_tick > @yield_ns -> sleep_until_ms(Integer.floor_div(at, @ms) + 1)
      true -> sleep_until_ms(Integer.floor_div(at, @ms)) + yield_until(at, now())
    end
  end

  defp sleep_until_ms(at_ms) do
    Process.send_after(self(), :due, at_ms, abs: true)

    receive do
      :due -> 0
    end
  end

  defp yield_until(at, from), do: yield_until(at, from, from)
  defp yield_until(at, from, now) when now >= at, do: now - from

  defp yield_until(at, from, _now) do
    :erlang.yield()
    yield_until(at, from, now())
  end
end
