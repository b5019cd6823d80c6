defmodule PortWorker.Bench.Watch do
  @moduledoc """
  Looks at the connections from outside while a run lasts: how long their queues grow, and how much they compute. Says once
  a second how far the run is.
  """

  alias PortWorker.Bench.{Samples, Workers}

  # Often enough to see a queue that lasts as long as a stall that matters; 100 looks a second cost nothing measurable.
  @look_ms 10
  @tick_ms 1_000

  @enforce_keys [:servers, :samples, :start_ns]
  defstruct @enforce_keys ++ [queue_max: 0]

  @doc "Starts to watch; `stop/1` says what was seen."
  @spec start([PortWorker.server()], Samples.t(), integer()) :: pid()
  def start(servers, samples, start_ns) do
    spawn_link(fn ->
      Process.send_after(self(), :tick, @tick_ms)
      watch(%__MODULE__{servers: servers, samples: samples, start_ns: start_ns})
    end)
  end

  @doc "Stops watching. Returns the longest queue of messages that any connection was seen to have."
  @spec stop(pid()) :: non_neg_integer()
  def stop(watch) do
    ref = make_ref()
    send(watch, {:stop, self(), ref})

    receive do
      {^ref, queue_max} -> queue_max
    end
  end

  defp watch(state) do
    receive do
      {:stop, from, ref} ->
        send(from, {ref, state.queue_max})

      :tick ->
        Process.send_after(self(), :tick, @tick_ms)
        say(state)
        watch(state)
    after
      @look_ms -> watch(%{state | queue_max: max(state.queue_max, longest(state.servers))})
    end
  end

  defp longest(servers), do: servers |> Enum.map(&queue/1) |> Enum.max()

  defp queue(server) do
    with pid when is_pid(pid) <- GenServer.whereis(server),
         {:message_queue_len, length} <- Process.info(pid, :message_queue_len) do
      length
    else
      _gone -> 0
    end
  end

  defp say(%{servers: servers, samples: samples, start_ns: start_ns}) do
    %{sent: sent, ok: ok, errors: errors} = Samples.counts(samples)
    elapsed_ms = div(System.monotonic_time(:nanosecond) - start_ns, 1_000_000)
    pids = Enum.map_join(servers, " ", &Workers.os_pid/1)
    IO.puts("tick #{elapsed_ms} #{sent} #{ok} #{errors} #{pids}")
  end
end
