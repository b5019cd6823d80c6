defmodule PortWorker.Connection do
  @moduledoc """
  The process that owns one worker: its Port, its boot and its end. `PortWorker.Flow` has the calls in flight.

  It is a `GenServer` that never waits for the worker, but when it is stopped. It moves frames: those of calls come
  encoded from their callers, and answers go to them as they came from the worker, found by the id that they begin with.

      (delayed) --> booting --hello--> ready --stop--> (drained, closed, killed if need be)
                       \\_________________\\--death, silence, malformed frame--> every caller is answered, then it exits

  What it holds is bounded: the calls that the worker has by `:max_in_flight`, those that wait to be sent by
  `:max_queue`, and what the worker says unasked by a rate past which it is ended.

  An unexpected end exits with the `PortWorker.Error` as its reason, so that the supervisor starts a new worker. Where
  one life after another is short, the next ones boot later: see `:backoff_min` of `PortWorker.start_link/1`.

  Use `PortWorker` to talk to it.
  """

  use GenServer

  require Logger

  alias PortWorker.{Atoms, Backoff, Error, Flood, Flow, Liveness, Options, OSProcess, Pipe, Protocol, Stderr}
  alias PortWorker.Calls.Entry
  alias PortWorker.Telemetry

  # How long a worker has to be ready for its end not to be one of a row.
  @settle_ms 5_000
  # The protocol's own limit, which holds for the hello, that tells the worker's.
  @max_frame_bytes 16_777_216
  # How much of a worker's message is logged.
  @logged_characters 1_000

  @derive {Inspect, only: [:server, :os_pid, :phase]}
  defstruct [
    :options,
    :server,
    :flow,
    :liveness,
    :port,
    :os_pid,
    :guard,
    :stderr,
    :facts,
    :boot_timer,
    :since,
    phase: :booting,
    max_frame_bytes: @max_frame_bytes
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
    never_wait_for_nodes()
    :ok = Atoms.load()
    server = options.name || self()
    Logger.metadata(port_worker: server)

    state = %__MODULE__{
      options: options,
      server: server,
      flow: Flow.new(server, options),
      liveness: Liveness.new(options.hang_after)
    }

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
  def handle_call(:info, _from, state) do
    info = state |> Map.take([:phase, :os_pid, :facts]) |> Map.merge(Flow.info(state.flow))
    {:reply, info, state}
  end

  @impl true
  def handle_cast({:call, _owner, %Entry{body: :ready, reply_to: reply_to}}, %{phase: :ready} = state) do
    send(reply_to, {reply_to, :answer, {:ok, state.facts}})
    {:noreply, state}
  end

  def handle_cast({:call, owner, %Entry{} = entry}, state),
    do: {:noreply, %{state | flow: Flow.call(state.flow, owner, entry)}}

  def handle_cast({:cancel, key}, state), do: {:noreply, %{state | flow: Flow.cancel(state.flow, key)}}
  def handle_cast({:give_up, key}, state), do: {:noreply, %{state | flow: Flow.give_up(state.flow, key)}}

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

  def handle_info({port, {:exit_status, status}}, %{port: port} = state) do
    if state.guard, do: OSProcess.release(state.guard)
    worker_gone(%{state | guard: nil}, status)
  end

  # The pipe broke. The worker has most likely ended, but it may just have closed its input: the guard sees to it.
  def handle_info({:EXIT, port, _reason}, %{port: port} = state), do: worker_gone(state, nil)

  # A linked process other than the Port, and not the parent: GenServer itself handles that one. As for any process, a
  # normal end is no reason to end.
  def handle_info({:EXIT, pid, reason}, state) when is_pid(pid) and reason != :normal,
    do: {:stop, reason, state}

  def handle_info({:EXIT, _port_or_pid, _reason}, state), do: {:noreply, state}

  def handle_info({{:owner, id}, _monitor, :process, _pid, _reason}, state),
    do: {:noreply, %{state | flow: Flow.owner_gone(state.flow, id)}}

  def handle_info(:retry, state), do: {:noreply, %{state | flow: Flow.retry(state.flow)}}

  def handle_info(:boot, %{phase: :delayed} = state), do: boot(%{state | phase: :booting})

  def handle_info({:stderr, pid, path}, %{stderr: {pid, _monitor}} = state), do: spawn_worker(state, path)

  # A worker may close its stderr. Where nobody reads it any more, the worker would wait for ever to write.
  def handle_info({:DOWN, monitor, :process, _pid, :normal}, %{stderr: {_, monitor}} = state),
    do: {:noreply, %{state | stderr: nil}}

  def handle_info({:DOWN, monitor, :process, _pid, {:flooded, lines}}, %{stderr: {_, monitor}} = state) do
    message =
      "expected a worker that writes little to stderr, got: #{lines} lines quicker than they can be read"

    fail(state, Error.new(:flooded, message))
  end

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

  def handle_info(:probe, state) do
    {liveness, flow} = Liveness.probe(state.liveness, state.flow)
    {:noreply, %{state | liveness: liveness, flow: flow}}
  end

  def handle_info({:hung, id}, %{liveness: %{id: id}} = state), do: fail(state, Liveness.hung(state.liveness))
  def handle_info(_late, state), do: {:noreply, state}

  @impl true
  def terminate(reason, %{phase: phase} = state) do
    orderly? = reason in [:normal, :shutdown] or match?({:shutdown, _}, reason)
    if orderly?, do: Backoff.settle(state.options.backoff)
    state = if orderly? and phase == :ready, do: drain(state), else: state
    Flow.fail(state.flow, Error.new(:worker_down, "the worker is being stopped"))
    # A worker that broke the protocol is not asked politely.
    close(state, if(orderly?, do: state.options.kill_after, else: 0))
    Telemetry.worker_down(state.server, state.os_pid, state.since, reason)
  end

  # What a caller's node does not take for now is kept for it, rather than to hold up everybody else. Before OTP 25.3 there
  # is no such flag: a node that does not take the megabytes it asked for then holds them up until it is found to be gone.
  @dialyzer {:nowarn_function, never_wait_for_nodes: 0}
  defp never_wait_for_nodes do
    :erlang.process_flag(:async_dist, true)
  rescue
    ArgumentError -> false
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
    error in [ErlangError, ArgumentError] ->
      fail(state, Error.new(:worker_down, "the worker could not be spawned: #{reason(error)}"))
  end

  defp reason(%ErlangError{original: reason}), do: inspect(reason)
  # A variable that the node's own encoding of names has no bytes for, for instance.
  defp reason(%ArgumentError{} = error), do: Exception.message(error)

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
        max_frame_bytes: limits.max_frame_bytes,
        liveness: Liveness.rest(state.liveness),
        flow: Flow.open(state.flow, state.port, limits, hello)
    }
  end

  # Frames of the worker

  defp receive_frame(frame, %{max_frame_bytes: limit}) when byte_size(frame) > limit do
    Protocol.malformed("a frame of at most #{limit} bytes", {:bytes, byte_size(frame)})
  end

  defp receive_frame(frame, %{phase: :ready} = state) do
    case Protocol.peek(frame) do
      {:progress, id} -> in_flow(state, &Flow.progress(&1, id, frame))
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

  defp receive_message({:event, kind, facts}, frame, state) do
    with {:ok, state} <- in_flow(state, &Flow.unasked(&1, frame)), do: {:ok, event(state, kind, facts)}
  end

  defp receive_message({:error, nil, error}, frame, state) do
    with {:ok, state} <- in_flow(state, &Flow.unasked(&1, frame)) do
      message = String.slice(error.message, 0, @logged_characters)
      {:ok, log(state, :error, [], fn -> "the worker could not read a frame: #{error.code}: #{message}" end)}
    end
  end

  defp receive_message({:hello, _} = message, _, _state), do: Protocol.malformed("one hello only", message)
  defp receive_message({:progress, id, _}, frame, state), do: in_flow(state, &Flow.progress(&1, id, frame))
  defp receive_message({_ok_or_error, id, _payload}, frame, state), do: answered(state, id, frame)

  defp answered(%{liveness: %{id: id}} = state, id, frame) do
    with {:ok, _pong} <- Protocol.decode(frame), do: {:ok, %{state | liveness: Liveness.rest(state.liveness)}}
  end

  defp answered(state, id, frame), do: in_flow(state, &Flow.answered(&1, id, frame))

  defp in_flow(state, fun) do
    with {:ok, flow} <- fun.(state.flow), do: {:ok, %{state | flow: flow}}
  end

  defp event(state, kind, facts) do
    text = fn -> "worker #{state.os_pid}: #{kind} #{Protocol.show(facts, 50)}" end
    state = log(state, level(kind), [event: kind], text)
    if kind == :model_activated, do: activated(state, facts), else: state
  end

  defp activated(state, model) do
    Telemetry.model_activated(state.server, model)
    put_in(state.facts[:model], model)
  end

  defp level(:model_damaged), do: :warning
  defp level(kind) when kind in [:model_activated, :draining], do: :info
  defp level(_later_kind), do: :debug

  # A handler of logs can be slow, and this process is everybody's.
  defp log(%{flow: flow} = state, level, metadata, text) do
    if Flood.log?(flow.flood) do
      Logger.log(level, text, metadata)
      %{state | flow: %{flow | flood: Flood.logged(flow.flood)}}
    else
      state
    end
  end

  # The end

  defp worker_gone(state, status) do
    details = if status, do: %{"exit_status" => status}, else: %{}
    fail(%{state | port: nil}, Error.new(:worker_down, "the worker #{died(state, status)}", details))
  end

  defp died(%{phase: :booting}, nil), do: "exited before it said hello"
  defp died(%{phase: :booting}, status), do: "exited before it said hello, with status #{status}"
  defp died(_state, status) when status in [nil, 0], do: "exited"
  defp died(_state, status) when status > 128, do: "was killed by signal #{status - 128}"
  defp died(_state, status), do: "exited with status #{status}"

  defp fail(state, error) do
    # First, so that a worker that floods this process does so no longer.
    if state.port, do: Pipe.close(state.port)
    {:stop, error, %{state | flow: Flow.fail(state.flow, error)}}
  end

  # Lets what is in flight finish, for `drain_timeout` at most. Only what has to do with that is received: new calls stay
  # in the mailbox, and are told when this process is gone.
  defp drain(state) do
    timer = Process.send_after(self(), :drained, state.options.drain_timeout)
    state = await_idle(state)
    Process.cancel_timer(timer)
    state
  end

  defp await_idle(%{port: port} = state) do
    if Flow.idle?(state.flow) do
      state
    else
      receive do
        :drained -> state
        {^port, _data_or_exit} = message -> message |> handle_info(state) |> await_idle_unless_over()
        {:EXIT, ^port, _reason} = message -> message |> handle_info(state) |> await_idle_unless_over()
        {{:owner, _}, _, _, _, _} = message -> message |> handle_info(state) |> await_idle_unless_over()
        :retry -> :retry |> handle_info(state) |> await_idle_unless_over()
        {:"$gen_cast", {:cancel, _} = cast} -> cast |> handle_cast(state) |> await_idle_unless_over()
        {:"$gen_cast", {:give_up, _} = cast} -> cast |> handle_cast(state) |> await_idle_unless_over()
        {:"$gen_cast", {:malformed, _} = cast} -> cast |> handle_cast(state) |> await_idle_unless_over()
      end
    end
  end

  defp await_idle_unless_over({:noreply, state}), do: await_idle(state)
  defp await_idle_unless_over({:stop, _error, state}), do: state

  # Even where the Port had closed by itself the process has to go.
  defp close(state, grace) do
    if state.port, do: Pipe.close(state.port)
    if state.guard, do: OSProcess.reap(state.guard, grace), else: :ok
  end
end
