defmodule PortWorker.ProtocolTest do
  use ExUnit.Case, async: true

  alias PortWorker.Protocol

  defp decode(term), do: Protocol.decode(:erlang.term_to_binary(term))

  test "messages of the protocol are decoded" do
    assert decode({:hello, %{protocol: 1}}) == {:ok, {:hello, %{protocol: 1}}}
    assert decode({:progress, 3, %{share: 0.5}}) == {:ok, {:progress, 3, %{share: 0.5}}}
    assert decode({:event, :draining, %{}}) == {:ok, {:event, :draining, %{}}}

    wire = %{code: :no_model, message: "no model", retryable: true, details: %{"a" => 1}}
    error = %PortWorker.Error{code: :no_model, message: "no model", retryable?: true, details: %{"a" => 1}}
    assert decode({:error, 3, wire}) == {:ok, {:error, 3, error}}
    assert decode({:error, nil, wire}) == {:ok, {:error, nil, error}}
  end

  test "anything else is malformed, and never an exception" do
    wire = %{code: :no_model, message: "no model", retryable: true, details: %{}}

    for term <- [
          :ok,
          {:ok, 1},
          {:ok, "1", 2},
          {:ok, 1, 2, 3},
          {:progress, 1, []},
          {:error, 1, %{wire | code: "no_model"}},
          {:error, 1, Map.delete(wire, :details)},
          {:error, :x, wire}
        ] do
      assert {:error, %{code: :malformed_frame}} = decode(term)
    end

    for frame <- [
          "",
          <<131>>,
          "text",
          <<131, 97, 1, 0>>,
          :erlang.term_to_binary(List.duplicate(0, 999), [:compressed])
        ] do
      assert {:error, %{code: :malformed_frame}} = Protocol.decode(frame)
    end
  end

  test "every prefix and every flipped byte of a frame is decoded or refused" do
    frame = :erlang.term_to_binary({:ok, 7, %{items: [{"id", 1.5}, {2, 0.5}], source: :model}})

    for size <- 0..(byte_size(frame) - 1),
        do: assert({:error, _} = Protocol.decode(binary_part(frame, 0, size)))

    for at <- 0..(byte_size(frame) - 1), bit <- 0..7 do
      <<head::binary-size(at), byte, tail::binary>> = frame

      assert {kind, _} =
               Protocol.decode(<<head::binary, Bitwise.bxor(byte, Bitwise.bsl(1, bit)), tail::binary>>)

      assert kind in [:ok, :error]
    end
  end

  test "what a worker says is shown in little time, however large" do
    digits = :binary.copy(<<255>>, 20_000)

    for frame <- [
          <<131, 111, 20_000::32, 0, digits::binary>>,
          <<131, 104, 2, 97, 1, 111, 20_000::32, 0, digits::binary>>
        ] do
      assert {:error, %{code: :malformed_frame, message: message}} = Protocol.decode(frame)
      assert message =~ ~r/^expected a message of the protocol from the worker, got: a term of 2\d{4} bytes$/
    end

    assert {:error, %{message: message}} = Protocol.decode(String.duplicate("text", 10_000))
    assert byte_size(message) < 300
    # A struct is what a worker makes it, and its own way to be shown may do anything.
    assert {:error, %{message: message}} = decode({:ok, %{__struct__: Range, first: 1, last: 2}})
    assert message =~ "__struct__: Range"
  end

  test "a hello must be of this version and complete" do
    hello = %{protocol: 1, os_pid: 1, limits: %{max_in_flight: 1, max_frame_bytes: 1}}

    assert Protocol.check_hello(hello) == :ok
    assert {:error, %{code: :unsupported_protocol}} = Protocol.check_hello(%{hello | protocol: 2})
    assert {:error, %{code: :malformed_frame}} = Protocol.check_hello(%{hello | limits: %{}})
    assert {:error, %{code: :malformed_frame}} = Protocol.check_hello(%{})
  end

  test "arguments that the wire cannot carry are named" do
    unfit = [
      self(),
      make_ref(),
      &is_nil/1,
      2 ** 63,
      -(2 ** 63) - 1,
      <<1::3>>,
      [1 | 2],
      %{a: 1},
      :atom,
      [[:x]],
      1..2,
      nested(63),
      Map.new(1..1_025, &{"#{&1}", &1})
    ]

    for value <- unfit do
      assert {:error, %{code: :invalid_argument, message: message}} =
               Protocol.encode_call(1, :recommend, %{user: 1, exclude: value}, 10)

      assert message =~ ":exclude"
    end
  end

  test "arguments have names that are atoms" do
    assert {:error, %{code: :invalid_argument, message: message}} =
             Protocol.encode_call(1, :feedback, %{:item => 1, {"user"} => 2}, 10)

    assert message == ~s(expected the name of each argument to be an atom, got: {"user"})
  end

  test "arguments as deep and as wide as a worker takes are encoded" do
    for value <- [nested(62), Map.new(1..1_024, &{"#{&1}", &1}), [%{}, {}, []]],
        do: assert({:ok, _frame} = Protocol.encode_call(1, :recommend, %{exclude: value}, 10))
  end

  # Lists around a number; an empty one is no level of its own.
  defp nested(levels), do: Enum.reduce(1..levels, 1, fn _level, inner -> [inner] end)

  test "arguments of more terms than a frame may have are refused; columns are few" do
    # The call, its five elements, and the key and the list of the map.
    fits = Enum.to_list(1..(32_768 - 8))
    assert {:ok, _frame} = Protocol.encode_call(1, :hide_items, %{items: fits}, 10)

    assert {:error, %{code: :invalid_argument, details: %{"got" => 32_769}}} =
             Protocol.encode_call(1, :hide_items, %{items: [0 | fits]}, 10)

    column = PortWorker.Columns.from_ids(Enum.to_list(1..100_000))
    assert {:ok, _frame} = Protocol.encode_call(1, :recommend_many, %{users: column}, 10)
  end

  test "the call of a frame is found without decoding it, whatever the size of its id" do
    for id <- [0, 255, 256, 2 ** 31 - 1, 2 ** 31, 2 ** 63 - 1],
        {kind, term} <- [ok: {:ok, id, %{}}, error: {:error, id, %{}}, progress: {:progress, id, %{}}] do
      assert Protocol.peek(:erlang.term_to_binary(term, minor_version: 2)) == {kind, id}
    end

    for term <- [
          {:ok, -1, 1},
          {:ok, 1.0, 1},
          {:error, nil, %{}},
          {:event, :draining, %{}},
          {:hello, %{}},
          {:ok, 1},
          {:maybe, 1, 1},
          {:ok, 2 ** 64, 1}
        ] do
      assert Protocol.peek(:erlang.term_to_binary(term, minor_version: 2)) == :other
    end
  end

  test "a call is framed as Erlang would, whatever the size of its numbers" do
    for id <- [0, 255, 256, 2 ** 31 - 1, 2 ** 31, 2 ** 63 - 1], deadline <- [0, 604_800_000, :infinity] do
      {:ok, frame} = Protocol.encode_call(id, :ping, %{}, deadline)
      assert frame == :erlang.term_to_binary({:call, id, :ping, %{}, deadline}, minor_version: 2)
    end
  end
end
