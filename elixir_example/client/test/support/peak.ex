defmodule PortWorker.Peak do
  @moduledoc "The most that a process was seen to hold while a test went on."

  @doc "Starts to look at `pid`."
  def watch(pid) do
    test = self()
    ref = make_ref()
    watcher = spawn_link(fn -> look(pid, %{queue: 0, bytes: 0, looks: 0}, test, ref) end)
    {watcher, ref}
  end

  @doc "Its longest queue of messages, and the most bytes of heap, stack and messages."
  def seen({watcher, ref}) do
    send(watcher, :seen)

    receive do
      {^ref, peak} -> peak
    end
  end

  defp look(pid, peak, test, ref) do
    peak =
      case Process.info(pid, [:message_queue_len, :memory]) do
        [message_queue_len: queue, memory: bytes] ->
          %{queue: max(peak.queue, queue), bytes: max(peak.bytes, bytes), looks: peak.looks + 1}

        nil ->
          peak
      end

    receive do
      :seen -> send(test, {ref, peak})
    after
      1 -> look(pid, peak, test, ref)
    end
  end
end
