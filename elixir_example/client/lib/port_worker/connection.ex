defmodule PortWorker.Connection do
  @moduledoc """
  The process that owns one worker: its Port, its boot, the calls in flight and its end.

  It is a `GenServer` that never blocks and never waits for the worker. It moves frames: those of calls come encoded from
  their callers, and answers go to them as they came from the worker, found by the id that they begin with.

      (delayed) --> booting --hello--> ready --stop--> (drained, closed, killed if need be)
                       \\_________________\\--death, silence, malformed frame--> every caller is answered, then it exits

  What it holds is bounded: the calls that the worker has by `:max_in_flight`, those that wait to be sent by
  `:max_queue`, and what the worker says unasked by a rate past which it is ended. Writes do not suspend it: where the
  pipe is full, calls wait.

  An unexpected end exits with the `PortWorker.Error` as its reason, so that the supervisor starts a new worker. Where
  one life after another is short, the next ones boot later: see `:backoff_min` of `PortWorker.start_link/1`.

  Use `PortWorker` to talk to it.
  """

  use GenServer

  require Logger

  alias PortWorker.{
    Atoms,
    Backoff,
    Calls,
    Error,
    Flood,
    Options,
    OSProcess,
    Pipe,
    Protocol,
    Stderr,
    Telemetry
  }

  alias PortWorker.Calls.Entry

  # How soon a full pipe is tried again.
  @retry_ms 5
  # How long a worker has to be ready for its end not to be one of a row.
  @settle_ms 5_000
  # The protocol's own limit, which holds for the hello, that tells the worker's.
  @max_frame_bytes 16_777_216

  @derive {Inspect, only: [:server, :os_pid, :phase]}
  defstruct [
    :options,
    :server,
    :port,
    :os_pid,
    :guard,
    :facts,
    :boot_timer,
    :since,
    :limit,
    :retry,
    :probe,
    :stderr,
    phase: :booting,
    max_frame_bytes: @max_frame_bytes,
    calls: Calls.new(),
    control: :queue.new(),
    flood: %Flood{}
  ]

  @doc "Starts a connection from validated options; the worker boots after this has returned."
  @spec start_link(Options.t()) :: GenServer.on_start()
  def start_link(%Options{} = options) do
    GenServer.start_link(__MODULE__, options, if(options.name, do: [name: options.name], else: []))
  end

  @impl true
  def init(options) do
    # So that terminate/2 runs when a supervisor stops this process.
    Process.flag(:trap_exit, true)
    # What callers and the worker say at once is not copied by each collection of garbage.
    Process.flag(:message_queue_data, :off_heap)
    :ok = Atoms.load()
    server = options.name || self()
    Logger.metadata(port_worker: server)
    state = %__MODULE__{options: options, server: server, limit: options.max_in_flight}
    {:ok, state, {:continue, :boot}}
  end

  @impl true
  def handle_continue(:boot, %{options: options} = state) do
    case Backoff.begin_life(options.backoff, {options.backoff_min, options.backoff_max}) do
      0 ->
        boot(state)

      delay ->
        Logger.warning("the worker ended soon after its start again and again: it boots in #{delay} ms")
        Process.send_after(self(), :boot, delay)
        {:noreply, %{state | phase: :delayed}}
    end
  end

  @impl true
  def handle_call(:info, _from, state), do: {:reply, info(state), state}

  @impl true
  def handle_cast({:call, _owner, %Entry{body: :ready} = entry}, %{phase: :ready} = state) do
    answer(entry.reply_to, {:ok, state.facts})
    {:noreply, state}
  end

  def handle_cast({:call, owner, %Entry{} = entry}, state),
    do: {:noreply, admit(state, owner, %{entry | expires_at: expires_at(entry.expires_at)})}

  def handle_cast({:cancel, key}, state) do
    id = Calls.id_by_key(state.calls, key)
    {:noreply, give_up(state, id, Error.new(:cancelled, "the call was cancelled"))}
  end

  # A caller found that its answer cannot be read.
  def handle_cast({:malformed, frame}, state) do
    case Protocol.decode(frame) do
      {:error, error} -> fail(state, error)
      {:ok, _message} -> {:noreply, state}
    end
  end

  @impl true
  def handle_info({port, {:data, frame}}, %{port: port} = state) do
    case receive_frame(frame, state) do
      {:ok, state} -> {:noreply, state}
      {:error, error} -> fail(state, error)
    end
  end

  def handle_info({port, {:exit_status, status}}, %{port: port} = state), do: worker_gone(state, status)
  def handle_info({:EXIT, port, _reason}, %{port: port} = state), do: worker_gone(state, nil)

  # A linked process other than the Port, and not the parent: GenServer itself handles that one.
  def handle_info({:EXIT, pid, reason}, state) when is_pid(pid), do: {:stop, reason, state}
  def handle_info({:EXIT, _port, _reason}, state), do: {:noreply, state}

  def handle_info({{:caller, id}, _monitor, :process, _pid, _reason}, state),
    do: {:noreply, give_up(state, id, Error.new(:cancelled, "the owner of the call has ended"))}

  def handle_info(:retry, state), do: {:noreply, flush(%{state | retry: nil})}

  def handle_info(:boot, %{phase: :delayed} = state), do: boot(%{state | phase: :booting})

  def handle_info({:stderr, pid, path}, %{stderr: {pid, _monitor}} = state), do: spawn_worker(state, path)

  # A worker may close its stderr. Where nobody reads it any more, the worker would wait for ever to write.
  def handle_info({:DOWN, monitor, :process, _pid, :normal}, %{stderr: {_, monitor}} = state),
    do: {:noreply, %{state | stderr: nil}}

  def handle_info({:DOWN, monitor, :process, _pid, reason}, %{stderr: {_, monitor}} = state),
    do: fail(state, Error.new(:worker_down, "the worker's stderr cannot be read: #{inspect(reason)}"))

  def handle_info(:boot_timeout, %{phase: :booting, options: options} = state) do
    message = "the worker did not say hello within #{options.boot_timeout} ms"
    fail(state, Error.new(:boot_timeout, message, %{"boot_timeout" => options.boot_timeout}))
  end

  def handle_info(:settled, state) do
    Backoff.settle(state.options.backoff)
    {:noreply, state}
  end

  def handle_info(:probe, state), do: {:noreply, probe(state)}

  def handle_info({:hung, id}, %{probe: {id, _timer}, options: options} = state) do
    message = "the worker answered no ping for #{options.hang_after} ms"
    fail(state, Error.new(:worker_hung, message, %{"hang_after" => options.hang_after}))
  end

  def handle_info(_late, state), do: {:noreply, state}

  @impl true
  def terminate(reason, %{phase: phase} = state) do
    orderly? = reason in [:normal, :shutdown] or match?({:shutdown, _}, reason)
    if orderly?, do: Backoff.settle(state.options.backoff)
    state = if orderly? and phase == :ready, do: drain(state), else: state
    state = answer_all(state, Error.new(:worker_down, "the worker is being stopped"))
    # A worker that broke the protocol is not asked politely.
    close(state, if(orderly?, do: state.options.kill_after, else: 0))
    Telemetry.worker_down(state.server, state.os_pid, state.since, reason)
  end

  # The boot

  defp boot(%{options: options} = state) do
    timer = Process.send_after(self(), :boot_timeout, options.boot_timeout)
    state = %{state | boot_timer: timer, since: System.monotonic_time()}

    if options.stderr == :inherit,
      do: spawn_worker(state, nil),
      else: {:noreply, %{state | stderr: Stderr.start(state.server, options.stderr)}}
  end

  defp spawn_worker(state, stderr) do
    port = Pipe.open(state.options, stderr)
    # Where there is no pid the worker is gone already; its exit status is in the mailbox.
    os_pid = Pipe.os_pid(port)
    Logger.metadata(os_pid: os_pid)
    guard = if os_pid, do: OSProcess.guard(os_pid, state.options.kill_after)
    {:noreply, %{state | port: port, os_pid: os_pid, guard: guard}}
  rescue
    error in ErlangError ->
      fail(state, Error.new(:worker_down, "the worker could not be spawned: #{inspect(error.original)}"))
  end

  defp ready(state, %{limits: limits} = hello) do
    Stderr.release(state.stderr)
    Process.cancel_timer(state.boot_timer)
    Process.send_after(self(), :settled, @settle_ms)
    Telemetry.worker_ready(state.server, state.os_pid, state.since, hello)

    %{
      state
      | phase: :ready,
        facts: hello,
        since: System.monotonic_time(),
        limit: min(state.options.max_in_flight, limits.max_in_flight),
        max_frame_bytes: limits.max_frame_bytes
    }
    |> probe_later()
    |> answer_readiness()
    |> flush()
  end

  defp answer_readiness(state) do
    for {id, %{body: :ready} = entry} <- Calls.waiting_entries(state.calls), reduce: state do
      state ->
        {:waiting, ^entry, calls} = Calls.give_up(state.calls, id, 0)
        release(entry, {:ok, state.facts})
        %{state | calls: calls}
    end
  end

  defp info(state) do
    %{
      phase: state.phase,
      os_pid: state.os_pid,
      in_flight: Calls.in_flight(state.calls),
      waiting: Calls.waiting(state.calls),
      max_in_flight: state.limit,
      max_queue: state.options.max_queue,
      facts: state.facts
    }
  end

  # Calls on their way to the worker

  defp admit(state, owner, entry) do
    cond do
      sendable?(state) ->
        send_new(state, owner, entry)

      room?(state) ->
        wait(state, owner, entry)

      true ->
        refuse(state, entry, "#{Calls.in_flight(state.calls)} calls are in flight already#{queued(state)}")
    end
  end

  defp sendable?(state) do
    state.phase == :ready and state.retry == nil and Calls.waiting(state.calls) == 0 and
      Calls.in_flight(state.calls) < state.limit
  end

  defp room?(%{phase: :ready} = state), do: Calls.waiting(state.calls) < state.options.max_queue
  # Nothing is in flight before the hello: those that are to be wait as well.
  defp room?(state), do: Calls.waiting(state.calls) < state.limit + state.options.max_queue

  defp send_new(state, owner, entry) do
    {id, calls} = Calls.take_id(state.calls)

    case write_call(state, id, entry) do
      :ok ->
        entry = %{entry | body: nil, monitor: watch(owner, id)}
        %{state | calls: Calls.put_sent(calls, id, entry)}

      :full ->
        state = retry_later(state)

        if room?(state),
          do: wait(state, owner, entry),
          else: refuse(state, entry, "the worker's pipe is full")

      {:error, error} ->
        answer(entry.reply_to, {:error, error})
        state
    end
  end

  defp wait(state, owner, entry) do
    {id, calls} = Calls.take_id(state.calls)
    entry = %{entry | monitor: watch(owner, id), since: System.monotonic_time()}
    %{state | calls: Calls.put_waiting(calls, id, entry)}
  end

  defp refuse(state, entry, message) do
    {in_flight, waiting} = {Calls.in_flight(state.calls), Calls.waiting(state.calls)}
    Telemetry.overloaded(state.server, entry.op, in_flight, waiting)
    details = %{"in_flight" => in_flight, "waiting" => waiting}
    answer(entry.reply_to, {:error, Error.new(:overloaded, message, details)})
    state
  end

  defp queued(state) do
    case Calls.waiting(state.calls) do
      0 -> ""
      waiting -> ", and #{waiting} wait"
    end
  end

  # By the id in its tag, the message of the caller's death says which call it was.
  defp watch(owner, id), do: :erlang.monitor(:process, owner, tag: {:caller, id})

  defp write_call(state, id, entry) do
    with {:ok, deadline} <- deadline(entry),
         frame = Protocol.call_frame(id, entry.body, deadline),
         :ok <- check_size(frame, state.max_frame_bytes) do
      case Pipe.write(state.port, frame) do
        :gone -> {:error, Error.new(:worker_down, "the worker is gone")}
        ok_or_full -> ok_or_full
      end
    end
  end

  defp deadline(%{expires_at: :infinity}), do: {:ok, :infinity}

  defp deadline(%{expires_at: expires_at}) do
    case expires_at - now() do
      left when left > 0 -> {:ok, left}
      _none -> {:error, Error.new(:deadline_exceeded, "the call's timeout passed before it was sent")}
    end
  end

  defp check_size(frame, limit) do
    case IO.iodata_length(frame) do
      size when size <= limit ->
        :ok

      size ->
        message = "expected a call of at most #{limit} bytes, got: #{size}"
        {:error, Error.new(:frame_too_large, message, %{"limit" => limit, "got" => size})}
    end
  end

  # Writes what has waited, as far as there are credits and the pipe takes it: cancels and pings first.
  defp flush(%{phase: :ready} = state) do
    case write_control(state) do
      {:ok, state} -> send_waiting(state)
      {:full, state} -> retry_later(state)
    end
  end

  defp flush(state), do: state

  defp write_control(state) do
    with {:value, frame} <- :queue.peek(state.control) do
      case Pipe.write(state.port, frame) do
        :full -> {:full, state}
        _written_or_gone -> write_control(%{state | control: :queue.drop(state.control)})
      end
    else
      :empty -> {:ok, state}
    end
  end

  defp send_waiting(state) do
    with true <- Calls.in_flight(state.calls) < state.limit,
         {id, entry} <- Calls.first_waiting(state.calls) do
      case write_call(state, id, entry) do
        :ok ->
          Telemetry.waited(state.server, entry.op, entry.since)
          send_waiting(%{state | calls: Calls.sent(state.calls, id)})

        :full ->
          retry_later(state)

        {:error, error} ->
          {:waiting, ^entry, calls} = Calls.give_up(state.calls, id, 0)
          release(entry, {:error, error})
          send_waiting(%{state | calls: calls})
      end
    else
      _no_credit_or_none_waits -> state
    end
  end

  defp retry_later(%{retry: nil} = state),
    do: %{state | retry: Process.send_after(self(), :retry, @retry_ms)}

  defp retry_later(state), do: state

  # Takes a call from its caller before the worker has answered it; the worker is told, if it has the call.
  defp give_up(state, id, error) do
    case Calls.give_up(state.calls, id, now()) do
      {place, entry, calls} ->
        release(entry, {:error, error})
        state = %{state | calls: calls}
        if place == :sent, do: control(state, Protocol.encode_cancel(id)), else: state

      :unknown ->
        state
    end
  end

  defp control(state, frame), do: flush(%{state | control: :queue.in(frame, state.control)})

  defp release(entry, result) do
    Process.demonitor(entry.monitor, [:flush])
    answer(entry.reply_to, result)
  end

  defp answer(reply_to, result), do: send(reply_to, {reply_to, :answer, result})

  # Frames of the worker

  defp receive_frame(frame, %{max_frame_bytes: limit}) when byte_size(frame) > limit do
    Protocol.malformed("a frame of at most #{limit} bytes", {:bytes, byte_size(frame)})
  end

  defp receive_frame(frame, %{phase: :ready} = state) do
    case Protocol.peek(frame) do
      {:progress, id} -> progress(state, id, frame)
      {_ok_or_error, id} -> answered(state, id, frame)
      :other -> with {:ok, message} <- Protocol.decode(frame), do: receive_message(message, frame, state)
    end
  end

  defp receive_frame(frame, state) do
    with {:ok, message} <- Protocol.decode(frame), do: receive_hello(message, state)
  end

  defp receive_hello({:hello, hello}, state) do
    with :ok <- Protocol.check_hello(hello), do: {:ok, ready(state, hello)}
  end

  defp receive_hello(message, _state), do: Protocol.malformed("a hello first", message)

  defp receive_message({:hello, _} = message, _frame, _state),
    do: Protocol.malformed("one hello only", message)

  defp receive_message({:event, kind, facts}, frame, state), do: event(state, kind, facts, frame)

  defp receive_message({:error, nil, error}, frame, state) do
    with {:ok, state} <- unasked(state, frame) do
      if Flood.few?(state.flood),
        do: Logger.error("the worker could not read a frame: #{error.code}: #{error.message}")

      {:ok, state}
    end
  end

  defp receive_message({:progress, id, _facts}, frame, state), do: progress(state, id, frame)
  defp receive_message({_ok_or_error, id, _payload}, frame, state), do: answered(state, id, frame)

  # The answer to a live call is decoded by its caller. One that nobody waits for has nobody else to look at it.
  defp answered(state, id, frame) do
    case Calls.answered(state.calls, id) do
      {%Entry{} = entry, calls} ->
        release(entry, {:frame, frame})
        {:ok, flush(%{state | calls: calls})}

      {:given_up, calls} ->
        with {:ok, _message} <- Protocol.decode(frame), do: {:ok, flush(%{state | calls: calls})}

      :unknown ->
        with {:ok, message} <- Protocol.decode(frame), do: answered_nobody(state, id, message, frame)
    end
  end

  defp answered_nobody(%{probe: {id, timer}} = state, id, _message, _frame) do
    Process.cancel_timer(timer)
    {:ok, probe_later(state)}
  end

  # Late answers to calls that were given up are to be expected; those to calls never made are not.
  defp answered_nobody(state, id, message, frame) do
    if Calls.issued?(state.calls, id),
      do: unasked(state, frame),
      else: Protocol.malformed("an answer to a call that was made", message)
  end

  defp progress(state, id, frame) do
    with {:ok, state} <- unasked(state, frame) do
      case Calls.fetch_sent(state.calls, id) do
        {:ok, %{progress?: true} = entry} ->
          send(entry.reply_to, {entry.reply_to, :progress, frame})
          {:ok, state}

        _nobody_listens ->
          with {:ok, message} <- Protocol.decode(frame), do: progress_of_nobody(state, id, message)
      end
    end
  end

  defp progress_of_nobody(state, id, message) do
    if Calls.issued?(state.calls, id),
      do: {:ok, state},
      else: Protocol.malformed("progress of a call that was made", message)
  end

  defp event(state, kind, facts, frame) do
    with {:ok, state} <- unasked(state, frame) do
      if Flood.few?(state.flood),
        do:
          Logger.log(level(kind), fn -> "worker #{state.os_pid}: #{kind} #{inspect(facts)}" end, event: kind)

      if kind == :model_activated, do: Telemetry.model_activated(state.server, facts)
      {:ok, if(kind == :model_activated, do: put_in(state.facts[:model], facts), else: state)}
    end
  end

  defp level(:model_damaged), do: :warning
  defp level(kind) when kind in [:model_activated, :draining], do: :info
  defp level(_later_kind), do: :debug

  defp unasked(state, frame) do
    case Flood.count(state.flood, byte_size(frame), now()) do
      {:ok, flood} ->
        {:ok, %{state | flood: flood}}

      {:error, found} ->
        {:error, Error.new(:flooded, "expected a worker that says little unasked, got: #{found}")}
    end
  end

  # Liveness: a ping of its own now and then, beside the credits

  defp probe_later(%{options: %{hang_after: :infinity}} = state), do: state

  defp probe_later(%{options: %{hang_after: hang_after}} = state) do
    Process.send_after(self(), :probe, max(div(hang_after, 2), 1))
    %{state | probe: nil}
  end

  defp probe(%{options: %{hang_after: hang_after}} = state) do
    {id, calls} = Calls.take_id(state.calls)
    {:ok, body} = Protocol.encode_body(:ping, %{})
    timer = Process.send_after(self(), {:hung, id}, hang_after)
    # A worker that never ends what it was told to cancel is not to take the credits for ever.
    calls = Calls.forget_given_up(calls, now() - hang_after)

    control(
      %{state | calls: calls, probe: {id, timer}},
      id |> Protocol.call_frame(body, :infinity) |> IO.iodata_to_binary()
    )
  end

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
    for entry <- Calls.entries(state.calls), do: release(entry, {:error, error})
    %{state | calls: Calls.clear(state.calls)}
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
        :drained ->
          state

        {^port, _data_or_exit} = message ->
          state |> after_message(message) |> await_empty_unless_over()

        {:"$gen_cast", {:cancel, _key} = cast} ->
          cast |> handle_cast(state) |> await_empty_unless_over()

        {:"$gen_cast", {:malformed, _frame} = cast} ->
          cast |> handle_cast(state) |> await_empty_unless_over()

        {{:caller, _id}, _, :process, _, _} = message ->
          state |> after_message(message) |> await_empty_unless_over()

        :retry ->
          state |> after_message(:retry) |> await_empty_unless_over()
      end
    end
  end

  defp after_message(state, message), do: handle_info(message, state)

  defp await_empty_unless_over({:noreply, state}), do: await_empty(state)
  defp await_empty_unless_over({:stop, _error, state}), do: state

  defp close(%{port: nil}, _grace), do: :ok

  defp close(state, grace) do
    Pipe.close(state.port)
    # Even where the Port had closed by itself the process has to go.
    if state.guard, do: OSProcess.reap(state.guard, grace), else: :ok
  end

  defp expires_at(:infinity), do: :infinity
  defp expires_at({:at, at}), do: at
  defp expires_at({:in, timeout}), do: now() + timeout

  defp now, do: System.monotonic_time(:millisecond)
end
