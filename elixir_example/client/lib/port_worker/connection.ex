defmodule PortWorker.Connection do
  @moduledoc """
  The process that owns one worker: its Port, its boot, the calls in flight and its end.

  It is a `GenServer` that never blocks and never waits for the worker: writes do not suspend it (`:nosuspend`), every
  call has its own timer, and answers are matched by id, in whatever order they come.

      booting --hello--> ready --stop--> (drained, closed, killed if need be)
         \\__________________\\--death, malformed frame--> every caller is answered, then it exits

  An unexpected end exits with the `PortWorker.Error` as its reason, so that the supervisor starts a new worker.
  Use `PortWorker` to talk to it.
  """

  use GenServer

  require Logger

  alias PortWorker.{Atoms, Calls, Error, Options, OSProcess, Protocol}

  # How soon a cancel that met a full pipe is tried again.
  @cancel_retry_ms 50

  @derive {Inspect, only: [:os_pid, :phase]}
  defstruct [:options, :port, :os_pid, :guard, :limits, :boot_timer, phase: :booting, calls: Calls.new()]

  @doc "Starts a connection from validated options; the worker boots after this has returned."
  @spec start_link(Options.t()) :: GenServer.on_start()
  def start_link(%Options{} = options) do
    GenServer.start_link(__MODULE__, options, if(options.name, do: [name: options.name], else: []))
  end

  @impl true
  def init(options) do
    # So that terminate/2 runs when a supervisor stops this process.
    Process.flag(:trap_exit, true)
    :ok = Atoms.load()
    {:ok, %__MODULE__{options: options}, {:continue, :boot}}
  end

  @impl true
  def handle_continue(:boot, %{options: options} = state) do
    port = open_port(options)

    case Port.info(port, :os_pid) do
      {:os_pid, os_pid} ->
        guard = OSProcess.guard(os_pid, options.kill_after)
        timer = Process.send_after(self(), :boot_timeout, options.boot_timeout)
        {:noreply, %{state | port: port, os_pid: os_pid, guard: guard, boot_timer: timer}}

      nil ->
        # It is gone already; its exit status is in the mailbox.
        {:noreply, %{state | port: port}}
    end
  rescue
    error in ErlangError ->
      fail(state, Error.new(:worker_down, "the worker could not be spawned: #{inspect(error.original)}"))
  end

  @impl true
  def handle_cast({:call, caller, reply_to, key, request}, state) do
    limit = in_flight_limit(state)

    if Calls.size(state.calls) < limit do
      {:noreply, accept(state, caller, reply_to, key, request)}
    else
      answer(reply_to, {:error, overloaded("#{limit} calls are in flight already", state)})
      {:noreply, state}
    end
  end

  def handle_cast({:cancel, key}, state) do
    error = Error.new(:cancelled, "the call was cancelled")
    {:noreply, abandon(state, Calls.id_by_key(state.calls, key), error)}
  end

  @impl true
  def handle_info({port, {:data, frame}}, %{port: port} = state) do
    with {:ok, message} <- Protocol.decode(frame),
         {:ok, state} <- receive_message(message, state) do
      {:noreply, state}
    else
      {:error, error} -> fail(state, error)
    end
  end

  def handle_info({port, {:exit_status, status}}, %{port: port} = state), do: worker_gone(state, status)
  def handle_info({:EXIT, port, _reason}, %{port: port} = state), do: worker_gone(state, nil)

  # A linked process other than the Port, and not the parent: GenServer itself handles that one.
  def handle_info({:EXIT, pid, reason}, state) when is_pid(pid), do: {:stop, reason, state}
  def handle_info({:EXIT, _port, _reason}, state), do: {:noreply, state}

  def handle_info({:deadline, id}, state) do
    {:noreply, abandon(state, id, Error.new(:deadline_exceeded, "the call was not answered in time"))}
  end

  def handle_info({:DOWN, monitor, :process, _pid, _reason}, state) do
    {:noreply, abandon(state, Calls.id_by_monitor(state.calls, monitor), nil)}
  end

  def handle_info({:cancel_again, id}, state), do: {:noreply, cancel_in_worker(state, id)}

  def handle_info(:boot_timeout, %{phase: :booting, options: options} = state) do
    message = "the worker did not say hello within #{options.boot_timeout} ms"
    fail(state, Error.new(:boot_timeout, message, %{"boot_timeout" => options.boot_timeout}))
  end

  def handle_info(_late, state), do: {:noreply, state}

  @impl true
  def terminate(reason, %{phase: phase} = state) do
    orderly? = reason in [:normal, :shutdown] or match?({:shutdown, _}, reason)
    state = if orderly? and phase == :ready, do: drain(state), else: state
    state = answer_all(state, Error.new(:worker_down, "the worker is being stopped"))
    # A worker that broke the protocol is not asked politely.
    close(state, if(orderly?, do: state.options.kill_after, else: 0))
  end

  defp open_port(options) do
    fixed = [:binary, :exit_status, :use_stdio, :hide, packet: 4]
    cd = if options.cd, do: [cd: options.cd], else: []
    given = [args: options.args, env: Enum.map(options.env, &variable/1)] ++ cd
    Port.open({:spawn_executable, options.command}, fixed ++ given)
  end

  defp variable({name, nil}), do: {String.to_charlist(name), false}
  defp variable({name, value}), do: {String.to_charlist(name), String.to_charlist(value)}

  # Calls

  defp accept(state, caller, reply_to, key, {op, args, timeout}) do
    {id, calls} = Calls.take_id(state.calls)

    entry = %Calls.Entry{
      id: id,
      reply_to: reply_to,
      key: key,
      monitor: Process.monitor(caller),
      timer: if(timeout != :infinity, do: Process.send_after(self(), {:deadline, id}, timeout)),
      expires_at: if(timeout == :infinity, do: :infinity, else: now() + timeout),
      request: {op, args}
    }

    state = %{state | calls: Calls.put(calls, entry)}
    if state.phase == :ready, do: send_call(state, entry), else: state
  end

  defp send_call(state, %{request: {op, args}} = entry) do
    with {:ok, frame} <- Protocol.encode_call(entry.id, op, args, time_left(entry.expires_at)),
         :ok <- check_size(frame, state.limits.max_frame_bytes),
         :ok <- write(state, frame) do
      %{state | calls: Calls.put(state.calls, %{entry | request: nil})}
    else
      {:error, error} -> finish(state, entry.id, {:error, error})
    end
  end

  defp check_size(frame, limit) when byte_size(frame) <= limit, do: :ok

  defp check_size(frame, limit) do
    message = "expected a call of at most #{limit} bytes, got: #{byte_size(frame)}"
    {:error, Error.new(:frame_too_large, message, %{"limit" => limit, "got" => byte_size(frame)})}
  end

  defp write(state, frame) do
    if Port.command(state.port, frame, [:nosuspend]),
      do: :ok,
      else: {:error, overloaded("the worker's pipe is full", state)}
  rescue
    # The Port has closed; what it says of it is in the mailbox.
    ArgumentError -> {:error, Error.new(:worker_down, "the worker is gone")}
  end

  defp overloaded(message, state) do
    Error.new(:overloaded, message, %{"in_flight" => Calls.size(state.calls)})
  end

  # Forgets a call and answers its caller.
  defp finish(state, id, result) do
    {entry, calls} = Calls.pop(state.calls, id)
    if entry, do: release(entry, result)
    %{state | calls: calls}
  end

  defp release(entry, result) do
    if entry.timer, do: Process.cancel_timer(entry.timer)
    Process.demonitor(entry.monitor, [:flush])
    answer(entry.reply_to, result)
  end

  defp answer(reply_to, result), do: send(reply_to, {reply_to, :answer, result})

  # Gives a call up before the worker has answered it: its caller is told, and so is the worker.
  defp abandon(state, id, error) do
    case Calls.fetch(state.calls, id) do
      {:ok, %{request: nil}} -> state |> finish(id, {:error, error}) |> cancel_in_worker(id)
      {:ok, _never_sent} -> finish(state, id, {:error, error})
      :error -> state
    end
  end

  defp cancel_in_worker(state, id) do
    case write(state, Protocol.encode_cancel(id)) do
      {:error, %{code: :overloaded}} -> Process.send_after(self(), {:cancel_again, id}, @cancel_retry_ms)
      _written_or_gone -> :ok
    end

    state
  end

  # Messages

  defp receive_message({:hello, hello}, %{phase: :booting} = state) do
    with :ok <- Protocol.check_hello(hello), do: {:ok, ready(state, hello.limits)}
  end

  defp receive_message(message, %{phase: :booting}), do: Protocol.malformed("a hello first", message)
  defp receive_message({:hello, _} = message, _state), do: Protocol.malformed("one hello only", message)

  defp receive_message({:event, kind, event}, state) do
    Logger.debug(fn -> "worker #{state.os_pid}: #{kind} #{inspect(event)}" end)
    {:ok, state}
  end

  defp receive_message({:error, nil, error}, state) do
    Logger.error("worker #{state.os_pid} could not read a frame: #{error.code}: #{error.message}")
    {:ok, state}
  end

  defp receive_message({_kind, id, _payload} = message, state) do
    # Late answers to calls that were given up are to be expected; those to calls never made are not.
    if Calls.issued?(state.calls, id),
      do: {:ok, deliver(message, state)},
      else: Protocol.malformed("an answer to a call that was made", message)
  end

  defp ready(state, limits) do
    Process.cancel_timer(state.boot_timer)
    state = %{state | phase: :ready, limits: limits}

    Enum.reduce(Calls.ids(state.calls), state, fn id, state ->
      {:ok, entry} = Calls.fetch(state.calls, id)
      send_call(state, entry)
    end)
  end

  defp deliver({:progress, id, progress}, state) do
    with {:ok, entry} <- Calls.fetch(state.calls, id) do
      send(entry.reply_to, {entry.reply_to, :progress, progress})
    end

    state
  end

  defp deliver({kind, id, payload}, state) when kind in [:ok, :error], do: finish(state, id, {kind, payload})

  # The end

  defp worker_gone(state, status) do
    if state.guard, do: OSProcess.release(state.guard)
    details = if status, do: %{"exit_status" => status}, else: %{}

    fail(
      %{state | port: nil, guard: nil},
      Error.new(:worker_down, "the worker #{died(state, status)}", details)
    )
  end

  defp died(%{phase: :booting}, status), do: "exited before it said hello, with status #{inspect(status)}"
  defp died(_state, status) when status in [nil, 0], do: "exited"
  defp died(_state, status) when status > 128, do: "was killed by signal #{status - 128}"
  defp died(_state, status), do: "exited with status #{status}"

  defp fail(state, error), do: {:stop, error, answer_all(state, error)}

  defp answer_all(state, error) do
    Enum.reduce(Calls.ids(state.calls), state, &finish(&2, &1, {:error, error}))
  end

  # Lets what is in flight finish, for `drain_timeout` at most.
  defp drain(state) do
    timer = Process.send_after(self(), :drained, state.options.drain_timeout)
    state = await_empty(state)
    Process.cancel_timer(timer)
    state
  end

  defp await_empty(%{port: port} = state) do
    if Calls.size(state.calls) == 0 do
      state
    else
      receive do
        :drained -> state
        {^port, _data_or_exit} = message -> await_empty_after(message, state)
        {:deadline, _id} = message -> await_empty_after(message, state)
        {:DOWN, _monitor, :process, _pid, _reason} = message -> await_empty_after(message, state)
      end
    end
  end

  defp await_empty_after(message, state) do
    case handle_info(message, state) do
      {:noreply, state} -> await_empty(state)
      {:stop, _error, state} -> state
    end
  end

  defp close(%{port: nil}, _grace), do: :ok

  defp close(state, grace) do
    Port.close(state.port)
    OSProcess.reap(state.guard, grace)
  rescue
    # The Port closed by itself in the meantime; the process still has to go.
    ArgumentError -> if state.guard, do: OSProcess.reap(state.guard, grace), else: :ok
  end

  defp in_flight_limit(%{limits: nil, options: options}), do: options.max_in_flight

  defp in_flight_limit(%{limits: limits, options: options}),
    do: min(options.max_in_flight, limits.max_in_flight)

  defp time_left(:infinity), do: :infinity
  defp time_left(expires_at), do: max(expires_at - now(), 0)

  defp now, do: System.monotonic_time(:millisecond)
end
