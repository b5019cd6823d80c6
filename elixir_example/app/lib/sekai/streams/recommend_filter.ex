defmodule Sekai.Streams.RecommendFilter do
  @moduledoc """
  Events in, the same events with recommendations out, with a bounded number of calls under way.

      child(:source, ...)
      |> via_in(:input, target_queue_size: 16)
      |> child(:recommend, %Sekai.Streams.RecommendFilter{max_in_flight: 16, timeout: 500, on_error: :pass_through})
      |> child(:sink, ...)

  ## Flow

  Both pads are in `:manual` flow control. The filter demands no more events than it has room for: no more than
  `:max_in_flight` are within it, whether their calls are under way, or they are done and wait for their turn or for a
  demand. So a slow worker slows the source, and a slow sink does; nothing piles up anywhere. It begins with the first
  demand, and sends no more than is demanded.

  ## Order

  `order: :preserve`, the default, sends buffers in the order in which they came: what is behind expects that of
  timestamps, and a cursor that says how far a stream was processed is true for nothing else. The price is that events
  wait for a slower one before them, for `:timeout` at most. `:as_done` sends each at once.

  ## Calls

  Each call is made by a task of its own, which is not linked to this element: whatever becomes of it is the end of one
  call. It has `:timeout` in all. Within that, what failed and may succeed later, such as `:worker_down` while a worker
  boots or `:overloaded`, is tried again after a wait that doubles; meanwhile it counts as in flight, so that the stream
  waits for a worker rather than running through it. A task that is not over shortly after is killed. When the element
  ends, its tasks do, and the calls are cancelled in the worker.

  ## Failure

    * `on_error: :drop` (default) - the event does not go on; the parent is notified with
      `{:dropped, %Sekai.Streams.Event{}, error}`
    * `on_error: :pass_through` - it goes on without recommendations, and `Sekai.Streams.Recommended` has the error
    * after `:max_failures` in a row, whichever is said, the element ends with `{:shutdown, {:failing, error}}`: so a
      stream that can be taken up again stops at an outage instead of losing all that happens during it

  ## End of stream

  It is passed on after all that is in flight. Before that the parent is notified with
  `{:counts, %{recommended: _, passed: _, dropped: _}}`.

  `Sekai.Streams` has the telemetry.
  """

  use Membrane.Filter

  alias PortWorker.Error
  alias Sekai.Streams
  alias Sekai.Streams.{Event, Events, InFlight, Options, Recommended}

  # PortWorker answers in time; a function of one's own may not.
  @grace_ms 50
  @first_wait_ms 20
  @longest_wait_ms 1_000

  def_input_pad(:input, accepted_format: %Events{of: Event}, flow_control: :manual, demand_unit: :buffers)
  def_output_pad(:output, accepted_format: %Events{of: Recommended}, flow_control: :manual)

  def_options(
    server: [
      spec: PortWorker.server(),
      default: Sekai.Recommender,
      description: "The workers."
    ],
    recommend: [
      spec: keyword(),
      default: [n: 20],
      description: "Options of `PortWorker.recommend/3` for each call."
    ],
    call: [
      spec: (Event.t(), timeout_ms :: non_neg_integer() -> {:ok, map()} | {:error, Exception.t()}) | nil,
      default: nil,
      description: """
      What is called in place of `PortWorker.recommend/3`, and answers as that does. It has so many
      milliseconds.
      """
    ],
    max_in_flight: [
      spec: pos_integer(),
      default: 16,
      description: """
      How many events are within the filter. A connection has 64 calls at a time, if not said otherwise:
      leave some to those who wait for a page.
      """
    ],
    timeout: [
      spec: pos_integer(),
      default: 1_000,
      description: "Milliseconds that a call has in all."
    ],
    order: [
      spec: InFlight.order(),
      default: :preserve,
      description: "Whether events leave in the order in which they came, or as they are done."
    ],
    on_error: [
      spec: :drop | :pass_through,
      default: :drop,
      description: "What becomes of an event for which there is no answer."
    ],
    max_failures: [
      spec: pos_integer() | :infinity,
      default: :infinity,
      description: "After how many failures in a row the element ends."
    ]
  )

  @impl true
  def handle_init(_ctx, options) do
    check!(options)

    state = %{
      call: options.call || default_call(options),
      max_in_flight: options.max_in_flight,
      timeout: options.timeout,
      on_error: options.on_error,
      max_failures: options.max_failures,
      in_flight: InFlight.new(options.order),
      counts: %{recommended: 0, passed: 0, dropped: 0},
      failures: 0,
      demand: 0,
      ended?: false,
      tasks: nil
    }

    {[], state}
  end

  defp check!(options) do
    Options.check!(:recommend, options.recommend, :keyword)
    if options.call, do: Options.check!(:call, options.call, {:function, 2})
    Options.check!(:max_in_flight, options.max_in_flight, :positive)
    Options.check!(:timeout, options.timeout, :positive)
    Options.check!(:order, options.order, {:one_of, [:preserve, :as_done]})
    Options.check!(:on_error, options.on_error, {:one_of, [:drop, :pass_through]})
    Options.check!(:max_failures, options.max_failures, :positive_or_infinity)
  end

  defp default_call(%{server: server, recommend: options}) do
    fn event, timeout ->
      PortWorker.recommend(server, event.user_id, Keyword.put(options, :timeout, timeout))
    end
  end

  @impl true
  def handle_setup(ctx, state) do
    # It ends with this element, and the tasks with it.
    {:ok, tasks} = Membrane.UtilitySupervisor.start_link_child(ctx.utility_supervisor, Task.Supervisor)
    {[], %{state | tasks: tasks}}
  end

  @impl true
  def handle_stream_format(:input, %Events{}, _ctx, state),
    do: {[stream_format: {:output, %Events{of: Recommended}}], state}

  @impl true
  def handle_demand(:output, demand, :buffers, _ctx, state), do: advance([], %{state | demand: demand})

  # Nothing is demanded here: others of the same demand may be on their way still.
  @impl true
  def handle_buffer(:input, buffer, _ctx, state) do
    task = start(buffer.payload, state)
    overdue = Process.send_after(self(), {:overdue, task.ref}, state.timeout + @grace_ms)
    call = %{buffer: buffer, pid: task.pid, overdue: overdue, began: System.monotonic_time()}
    {[], %{state | in_flight: InFlight.begin(state.in_flight, task.ref, call)}}
  end

  defp start(event, %{call: call, timeout: timeout, tasks: tasks}) do
    until = now() + timeout
    Task.Supervisor.async_nolink(tasks, fn -> attempt(call, event, until, @first_wait_ms) end)
  end

  defp attempt(call, event, until, longest_wait) do
    case call.(event, max(until - now(), 0)) do
      {:ok, %{items: _items}} = answer -> answer
      {:error, %Error{code: :deadline_exceeded}} = failed -> failed
      {:error, %Error{retryable?: true}} = failed -> again(failed, call, event, until, longest_wait)
      {:error, error} when is_exception(error) -> {:error, error}
    end
  end

  defp again(failed, call, event, until, longest_wait) do
    # Drawn, so that those who were refused together don't come back together.
    wait = :rand.uniform(longest_wait)

    if now() + wait < until do
      Process.sleep(wait)
      attempt(call, event, until, min(2 * longest_wait, @longest_wait_ms))
    else
      failed
    end
  end

  defp now, do: System.monotonic_time(:millisecond)

  @impl true
  def handle_info({ref, result}, ctx, state) when is_reference(ref) do
    Process.demonitor(ref, [:flush])
    finish(ref, result, ctx, state)
  end

  def handle_info({:DOWN, ref, :process, _pid, reason}, ctx, state),
    do: finish(ref, {:error, ended(reason)}, ctx, state)

  def handle_info({:overdue, ref}, ctx, state) do
    with {:ok, %{pid: pid}} <- InFlight.fetch(state.in_flight, ref) do
      Process.demonitor(ref, [:flush])
      Process.exit(pid, :kill)
    end

    finish(ref, {:error, overdue(state)}, ctx, state)
  end

  defp ended(reason), do: RuntimeError.exception("the call ended: " <> Exception.format_exit(reason))

  defp overdue(%{timeout: timeout}),
    do: Error.new(:deadline_exceeded, "the call was not over within #{timeout} ms, and was killed")

  # Calls of which nothing is known any more are those that were killed just when they answered.
  defp finish(ref, result, ctx, state) do
    case InFlight.fetch(state.in_flight, ref) do
      {:ok, call} -> settle(ref, call, outcome(result, call.buffer.payload, state), ctx, state)
      :error -> {[], state}
    end
  end

  defp outcome({:ok, %{items: items} = answer}, event, _state),
    do: {:recommended, %Recommended{event: event, items: items, source: answer[:source], model: answer[:model]}}

  defp outcome({:error, error}, event, %{on_error: :pass_through}),
    do: {:passed, %Recommended{event: event, error: error}}

  defp outcome({:error, error}, _event, %{on_error: :drop}), do: {:dropped, error}

  defp settle(ref, call, {result, value}, ctx, state) do
    Process.cancel_timer(call.overdue)
    report(call, result, value, ctx, state)
    state = count(state, result)

    # No number reaches `:infinity`: every atom is larger.
    if state.failures >= state.max_failures do
      {[terminate: {:shutdown, {:failing, error(value)}}], state}
    else
      kept = if result == :dropped, do: :drop, else: {:keep, %{call.buffer | payload: value}}
      told = if result == :dropped, do: [notify_parent: {:dropped, call.buffer.payload, value}], else: []
      advance(told, %{state | in_flight: InFlight.done(state.in_flight, ref, kept)})
    end
  end

  defp report(call, result, value, ctx, state) do
    Streams.execute(
      :call,
      %{duration: Streams.since(call.began), in_flight: InFlight.size(state.in_flight)},
      %{element: ctx.name, event: call.buffer.payload, result: result, error: error(value)}
    )
  end

  defp error(%Recommended{error: error}), do: error
  defp error(error), do: error

  defp count(state, result) do
    failures = if result == :recommended, do: 0, else: state.failures + 1
    %{state | failures: failures, counts: Map.update!(state.counts, result, &(&1 + 1))}
  end

  @impl true
  def handle_end_of_stream(:input, _ctx, state), do: advance([], %{state | ended?: true})

  # Sends what may leave, then asks for as many as there is room for: a demand replaces the one before it.
  defp advance(actions, state) do
    {buffers, in_flight} = InFlight.take(state.in_flight, max(state.demand, 0))
    state = %{state | in_flight: in_flight, demand: state.demand - length(buffers)}
    {actions ++ [buffer: {:output, buffers}] ++ onward(state, InFlight.size(in_flight)), state}
  end

  defp onward(%{ended?: true} = state, 0),
    do: [notify_parent: {:counts, state.counts}, end_of_stream: :output]

  defp onward(%{ended?: true}, _some), do: []
  defp onward(state, size), do: [demand: {:input, state.max_in_flight - size}]
end
