defmodule PortWorker.Pipe do
  @moduledoc false
  # A worker's Port, as something to write to that never blocks the writer: where the pipe is full, a frame is not
  # written, and the writer is told.

  alias PortWorker.{Options, Stderr}

  @doc """
  Spawns the worker, with the named pipe `stderr` as its stderr where there is one.

  Raises `ErlangError` where that cannot be done.
  """
  @spec open(Options.t(), Path.t() | nil) :: port()
  def open(options, stderr \\ nil) do
    {command, args} = command(options, stderr)
    fixed = [:binary, :exit_status, :use_stdio, :hide, packet: 4]
    cd = if options.cd, do: [cd: options.cd], else: []
    given = [args: args, env: Enum.map(options.env, &variable/1)] ++ cd
    Port.open({:spawn_executable, command}, fixed ++ given)
  end

  @doc "The worker's process id; `nil` where it is gone already."
  @spec os_pid(port()) :: pos_integer() | nil
  def os_pid(port) do
    case Port.info(port, :os_pid) do
      {:os_pid, os_pid} -> os_pid
      nil -> nil
    end
  end

  @doc "Writes a frame, unless the pipe is full or the worker gone."
  @spec write(port() | nil, iodata()) :: :ok | :full | :gone
  def write(nil, _frame), do: :gone

  def write(port, frame) do
    if :erlang.port_command(port, frame, [:nosuspend]), do: :ok, else: :full
  rescue
    # The Port has closed; what it says of it is in the mailbox.
    ArgumentError -> :gone
  end

  @doc "Closes the pipes, if they are open still."
  @spec close(port()) :: :ok
  def close(port) do
    Port.close(port)
    :ok
  rescue
    ArgumentError -> :ok
  end

  defp command(options, nil), do: {options.command, options.args}
  defp command(options, stderr), do: Stderr.command(stderr, options.command, options.args)

  defp variable({name, nil}), do: {String.to_charlist(name), false}
  defp variable({name, value}), do: {String.to_charlist(name), String.to_charlist(value)}
end
