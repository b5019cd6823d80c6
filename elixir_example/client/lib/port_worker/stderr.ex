defmodule PortWorker.Stderr do
  @moduledoc false
  # What a worker writes to stderr, as messages of Logger.
  #
  # A Port has no stderr, and must not have it joined to stdout, which is frames. So the worker gets a named pipe for it,
  # and a `cat` brings what is in there to a Port of its own. The process that owns this one is no part of the
  # connection: it outlives that until the last line is logged, above all those of a worker that could not boot.
  #
  # Nobody ever waits to open the pipe, since this process holds both ends of it until the worker has opened it, and
  # knows that `cat` has when its own empty line comes back. The worker opens both ends, too: were this node killed then,
  # it would boot, read the end of its input, and exit. It keeps the one for writing only, so that without `cat` whatever
  # it started cannot wait for ever to write. `cat` ends with the last process that has the pipe for writing.

  require Logger

  alias PortWorker.OSProcess

  @open_ms 5_000
  # How long processes that a worker started may go on writing after the connection's end.
  @linger_ms 5_000
  @line_bytes 2_000
  @window_ms 1_000
  @lines 200
  # How many lines may wait to be counted. A Port does not hold back its other end, so a worker that writes quicker than
  # this node can count would fill its memory.
  @flooded_queue 20_000
  # How often the queue is looked at.
  @look_lines 1_000

  @enforce_keys [:cat, :guard, :connection, :keeper, :path, :level, :about]
  defstruct @enforce_keys ++ [since: 0, lines: 0]

  @doc """
  Opens a pipe for the calling connection, which is sent `{:stderr, pid, path}` when a worker may be started with it.

  The connection calls `release/1` when the worker has opened it.
  """
  @spec start(GenServer.server(), Logger.level()) :: {pid(), reference()}
  def start(server, level) do
    connection = self()
    spawn_monitor(fn -> open(connection, level, port_worker: server, source: :stderr) end)
  end

  @doc "The worker has the pipe open: its path goes, and it is at its end when the worker is."
  @spec release({pid(), reference()} | nil) :: :ok
  def release(nil), do: :ok

  def release({pid, _monitor}) do
    send(pid, :release)
    :ok
  end

  @doc "The command that runs another one with its stderr in the pipe, as the same process."
  @spec command(Path.t(), Path.t(), [String.t()]) :: {Path.t(), [String.t()]}
  def command(path, command, args),
    do: {"/bin/sh", ["-c", ~s(exec "$@" 3<>"$0" 2>"$0" 3<&-), path, command | args]}

  defp open(connection, level, about) do
    Process.flag(:message_queue_data, :off_heap)
    monitor = Process.monitor(connection)
    name = "port_worker-#{System.pid()}-#{System.unique_integer([:positive])}-#{:rand.uniform(1_000_000_000)}"
    path = Path.join(System.tmp_dir!(), name)
    {_output, 0} = System.cmd("mkfifo", ["-m", "600", path], stderr_to_stdout: true)
    {:ok, keeper} = :file.open(path, [:read, :write, :raw])
    {cat, guard} = cat(path)
    :ok = :file.write(keeper, "\n")

    receive do
      {^cat, {:data, {:eol, ""}}} -> :ok
    after
      @open_ms ->
        File.rm(path)
        exit(:cat_does_not_start)
    end

    send(connection, {:stderr, self(), path})

    relay(%__MODULE__{
      cat: cat,
      guard: guard,
      connection: monitor,
      keeper: keeper,
      path: path,
      level: level,
      about: about
    })
  end

  defp cat(path) do
    cat = System.find_executable("cat") || exit(:no_cat)
    options = [:binary, :exit_status, :use_stdio, :hide, line: @line_bytes, args: [path]]
    port = Port.open({:spawn_executable, cat}, options)
    {:os_pid, os_pid} = Port.info(port, :os_pid)
    # It ends by itself; where this process is killed, it is seen to.
    {port, OSProcess.guard(os_pid, @linger_ms)}
  end

  defp relay(%{cat: cat, connection: connection} = state) do
    receive do
      {^cat, {:data, {_whole_or_part, line}}} ->
        state |> log(line, System.monotonic_time(:millisecond)) |> relay()

      {^cat, {:exit_status, _status}} ->
        OSProcess.release(state.guard)
        state |> let_go() |> tell_dropped()

      :release ->
        state |> let_go() |> relay()

      {:DOWN, ^connection, :process, _pid, _reason} ->
        Process.send_after(self(), :linger_over, @linger_ms)
        state |> let_go() |> relay()

      :linger_over ->
        tell_dropped(state)
    end
  end

  defp let_go(%{keeper: nil} = state), do: state

  defp let_go(%{keeper: keeper, path: path} = state) do
    :file.close(keeper)
    File.rm(path)
    %{state | keeper: nil}
  end

  # A handler of logs is slower than a worker that goes round in circles: past so many lines a second they are counted.
  defp log(%{since: since} = state, line, now) when now - since >= @window_ms do
    tell_dropped(state)
    log(%{state | since: now, lines: 0}, line, now)
  end

  defp log(state, line, _now) do
    if state.lines < @lines, do: Logger.log(state.level, text(line), state.about)
    if rem(state.lines, @look_lines) == 0, do: check_queue(state)
    %{state | lines: state.lines + 1}
  end

  # The connection then ends with its worker.
  defp check_queue(state) do
    {:message_queue_len, queue} = Process.info(self(), :message_queue_len)

    if queue > @flooded_queue do
      let_go(state)
      exit({:flooded, queue})
    end
  end

  defp tell_dropped(%{lines: lines} = state) when lines > @lines,
    do: Logger.log(state.level, "#{lines - @lines} more lines within a second", state.about)

  defp tell_dropped(_state), do: :ok

  defp text(line), do: if(String.valid?(line), do: line, else: inspect(line, printable_limit: @line_bytes))
end
