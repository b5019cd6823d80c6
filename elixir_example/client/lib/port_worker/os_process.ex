defmodule PortWorker.OSProcess do
  @moduledoc false
  # Sees to it that a worker's operating-system process does not outlive its connection, however that one ends: closing
  # a Port only closes the pipes, and a worker that hangs would not notice. One plain process watches each worker, since
  # a connection that is killed brutally cannot clean up after itself.

  @poll_ms 20

  @doc "Watches the caller; once it is gone the process `os_pid` has `grace` ms to end, then it is killed."
  @spec guard(pos_integer(), non_neg_integer()) :: pid()
  def guard(os_pid, grace) do
    owner = self()
    spawn(fn -> watch(Process.monitor(owner), os_pid, grace) end)
  end

  @doc "Returns once the process is gone, killed after `grace` ms if need be. The caller has closed its pipes."
  @spec reap(pid(), non_neg_integer()) :: :ok
  def reap(guard, grace) do
    monitor = Process.monitor(guard)
    send(guard, {:reap, grace})

    receive do
      {:DOWN, ^monitor, :process, ^guard, _reason} -> :ok
    end
  end

  @doc "Tells the guard that the process has ended: its pid may soon be another's."
  @spec release(pid()) :: :ok
  def release(guard) do
    send(guard, :release)
    :ok
  end

  @doc "Whether a process `os_pid` exists."
  @spec alive?(pos_integer()) :: boolean()
  def alive?(os_pid), do: signal(os_pid, "0")

  defp watch(owner, os_pid, grace) do
    receive do
      {:DOWN, ^owner, :process, _pid, _reason} -> finish(os_pid, grace)
      {:reap, grace} -> finish(os_pid, grace)
      :release -> :ok
    end
  end

  defp finish(os_pid, grace) do
    if not gone_within?(os_pid, now() + grace) do
      signal(os_pid, "KILL")
      # The kernel frees the memory of a large process in its own time.
      gone_within?(os_pid, now() + 1_000)
    end
  end

  defp gone_within?(os_pid, until) do
    cond do
      not alive?(os_pid) ->
        true

      now() >= until ->
        false

      true ->
        Process.sleep(@poll_ms)
        gone_within?(os_pid, until)
    end
  end

  # The shell's own `kill` is there wherever a shell is; a minimal image may lack the program.
  defp signal(os_pid, name) do
    {_output, status} = System.cmd("/bin/sh", ["-c", "kill -#{name} #{os_pid}"], stderr_to_stdout: true)

    status == 0
  end

  defp now, do: System.monotonic_time(:millisecond)
end
