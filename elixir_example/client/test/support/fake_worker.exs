# A worker made to misbehave, in the BEAM's own terms, so that it needs nothing but Elixir.
#
#     elixir --erl -noinput fake_worker.exs BOOT
#
# BOOT says how it boots (see boot/1). Once up, the user of a `recommend` says what it does (see recommend/2);
# `status` answers with the ids of the calls that it was told to cancel, `recommend_many` with two users, and the ops in
# @echoes with their name and arguments, as do a `recommend` for "echo" and a `retrain` with params.

defmodule FakeWorker do
  @echoes [:similar, :score, :explain, :feedback, :hide_items, :show_items, :activate, :rollback]

  @hello %{
    protocol: 1,
    worker: %{name: "fake", version: "0", python: "none"},
    ops: [:ping, :status, :recommend, :recommend_many, :retrain, :models, :drain | @echoes],
    limits: %{max_frame_bytes: 1_000_000, max_in_flight: 1_000},
    model: nil
  }

  def main(["exit_at_boot"]), do: System.halt(3)
  def main(["silent_at_boot"]), do: Process.sleep(:infinity)
  # Four letters are a length of 1.75 GB to the BEAM, which then waits for the rest.
  def main(["print_at_boot"]), do: print("hello, this is a library\n")
  def main([boot]), do: boot(boot, Port.open({:fd, 0, 1}, [:binary, :eof, packet: 4]))

  defp boot("normal", port), do: hello(port, %{})
  defp boot("deaf_to_eof", port), do: port |> hello(%{}) |> Map.put(:deaf?, true) |> loop()
  defp boot("slow_boot", port), do: receive(do: (_eof -> :ok), after: (300 -> hello(port, %{})))
  defp boot("protocol_2", port), do: hello(port, %{protocol: 2})
  defp boot("narrow", port), do: hello(port, %{limits: %{max_frame_bytes: 1_000, max_in_flight: 2}})
  defp boot("reply_before_hello", port), do: send_term(port, {:ok, 0, :pong})

  def run(argv) do
    case main(argv) do
      %{port: _} = state -> loop(state)
      _done -> Process.sleep(:infinity)
    end
  end

  defp hello(port, changes) do
    {os_pid, ""} = Integer.parse(System.pid())
    send_term(port, {:hello, @hello |> Map.put(:os_pid, os_pid) |> Map.merge(changes)})
    %{port: port, cancelled: [], deaf?: false}
  end

  defp loop(%{port: port} = state) do
    receive do
      {^port, {:data, frame}} -> frame |> :erlang.binary_to_term() |> handle(state) |> loop()
      {^port, :eof} -> if state.deaf?, do: loop(state), else: System.halt(0)
      {:later, term} -> loop(tap(state, &send_term(&1.port, term)))
    end
  end

  defp handle({:cancel, id}, state), do: %{state | cancelled: [id | state.cancelled]}

  defp handle({:call, id, :recommend, args, _deadline}, state) do
    recommend(args.user, id, args, state.port)
    state
  end

  defp handle({:call, id, :retrain, %{params: _} = args, _deadline}, state),
    do: echo(id, :retrain, args, state)

  defp handle({:call, id, :retrain, _args, _deadline}, state) do
    send_term(state.port, {:progress, id, %{phase: :fit, share: 0.5}})
    state
  end

  defp handle({:call, id, :recommend_many, args, deadline}, state) do
    columns = %{
      ids: {:int64, <<7::little-64, -1::signed-little-64>>},
      items: {:int32, <<1::little-32, 0::little-32, 0::little-32, -1::signed-little-32>>},
      scores: {:float32, <<0.5::float-little-32, 0.25::float-little-32, 3.0::float-little-32, 0::32>>},
      sources: {:uint8, <<1, 0>>}
    }

    about = %{source_names: [:popular, :fold_in], n: 2, model: "v1", message: {args, deadline}}
    send_term(state.port, {:ok, id, Map.merge(columns, about)})
    state
  end

  defp handle({:call, id, op, args, _deadline}, state) when op in @echoes, do: echo(id, op, args, state)

  defp handle({:call, id, op, _args, deadline}, state) do
    send_term(state.port, {:ok, id, answer(op, deadline, state)})
    state
  end

  defp echo(id, op, args, state) do
    send_term(state.port, {:ok, id, {op, args}})
    state
  end

  defp answer(:ping, _deadline, _state), do: :pong
  defp answer(:drain, _deadline, _state), do: %{completed: 0}

  defp answer(_op, deadline, state),
    do: %{"cancelled" => Enum.reverse(state.cancelled), "deadline" => deadline}

  defp recommend("echo", id, args, port), do: send_term(port, {:ok, id, {:recommend, args}})
  defp recommend("garbage", _id, _args, port), do: Port.command(port, "this is no term")

  defp recommend("unknown atom", id, _args, port),
    do: send_raw(port, id, "an_atom_that_no_node_has_ever_seen")

  defp recommend("compressed", id, _args, port),
    do: Port.command(port, compressed({:ok, id, "0" |> String.duplicate(500)}))

  defp recommend("no message", id, _args, port), do: send_term(port, {:maybe, id, 1})
  defp recommend("foreign id", id, _args, port), do: send_term(port, {:ok, id + 1_000, :pong})
  defp recommend("second hello", _id, _args, port), do: send_term(port, {:hello, @hello})
  defp recommend("exit 7", _id, _args, _port), do: System.halt(7)
  defp recommend("silence", _id, _args, _port), do: :ok

  defp recommend("late", id, _args, _port),
    do: Process.send_after(self(), {:later, {:ok, id, %{"late" => true}}}, 200)

  defp recommend("late echo", id, args, _port),
    do: Process.send_after(self(), {:later, {:ok, id, %{exclude: args[:exclude]}}}, 1_000)

  defp recommend("print", _id, _args, _port), do: print("a library prints this\n")

  defp recommend("event", id, _args, port) do
    send_term(port, {:event, :model_activated, %{version: "v"}})
    send_term(port, {:ok, id, %{items: []}})
  end

  defp recommend("unreadable", id, _args, port) do
    error = %{code: :malformed_term, message: "frame 3", retryable: false, details: %{}}
    send_term(port, {:error, nil, error})
    send_term(port, {:ok, id, %{items: []}})
  end

  defp recommend(user, id, args, port),
    do: send_term(port, {:ok, id, %{items: [{user, 1.0}], source: :model, exclude: args[:exclude]}})

  # The tag of a 4-tuple's-worth of nothing but {ok, Id, Atom}, spelled by hand: this node may not make the atom either.
  defp send_raw(port, id, atom) do
    <<131, 104, 3, head::binary>> = :erlang.term_to_binary({:ok, id, 0})
    fixed = binary_part(head, 0, byte_size(head) - 2)
    Port.command(port, [<<131, 104, 3>>, fixed, <<119, byte_size(atom)>>, atom])
  end

  defp compressed(term), do: :erlang.term_to_binary(term, [:compressed])
  # As a worker writes terms, whatever the release.
  defp send_term(port, term), do: Port.command(port, :erlang.term_to_binary(term, minor_version: 2))

  # Past the Port that frames, as a library would.
  defp print(text) do
    raw = Port.open({:fd, 0, 1}, [:binary, :out])
    Port.command(raw, text)
  end
end

FakeWorker.run(System.argv())
