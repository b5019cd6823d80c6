defmodule PortWorker.VectorsTest do
  @moduledoc "The client's side of the golden vectors; the worker's is tests/protocol/test_vectors.py."
  use ExUnit.Case, async: true

  alias PortWorker.{Atoms, Error, Protocol}

  @folder Path.expand("../../../protocol/vectors", __DIR__)

  for file <- ["messages.txt", "refused.txt", "terms.txt"],
      do: @external_resource(Path.join(@folder, file))

  setup_all do
    :ok = Atoms.load()
  end

  defp rows(file) do
    for line <- @folder |> Path.join(file) |> File.stream!(), not String.starts_with?(line, "#") do
      [name, second, hex, last] = line |> String.trim_trailing("\n") |> String.split("\t")
      {name, second, Base.decode16!(hex, case: :lower), last}
    end
  end

  # What {packet, 4} takes off a frame.
  defp payload(<<size::32, payload::binary-size(size)>>), do: payload

  defp evaluate(text) do
    {:ok, tokens, _} = :erl_scan.string(String.to_charlist(text <> "."))
    {:ok, expressions} = :erl_parse.parse_exprs(tokens)
    {:value, term, _} = :erl_eval.exprs(expressions, [])
    term
  end

  defp message({:error, id, facts}) do
    %{code: code, message: message, retryable: retryable?, details: details} = facts
    {:error, id, %Error{code: code, message: message, retryable?: retryable?, details: details}}
  end

  defp message(other), do: other

  defp of(side), do: Enum.filter(rows("messages.txt"), &String.starts_with?(elem(&1, 0), side))

  test "every message of a worker is read as its text says" do
    # All are decoded before a text is evaluated, so that no atom of them is known because of the test.
    decoded = for {name, _, frame, text} <- of("worker."), do: {name, Protocol.decode(payload(frame)), text}
    assert length(decoded) > 40

    for {name, result, text} <- decoded do
      assert {name, result} == {name, {:ok, text |> evaluate() |> message()}}
      with {:ok, {:hello, hello}} <- result, do: assert(Protocol.check_hello(hello) == :ok)
    end
  end

  test "every message of a host is written as one of the two ways that an Erlang has" do
    for {name, vectors} <- Enum.group_by(of("host."), &elem(&1, 0)) do
      [{_, _, _, text} | _] = vectors
      term = evaluate(text)
      payloads = for {_, _, frame, _} <- vectors, do: payload(frame)
      for payload <- payloads, do: assert({name, :erlang.binary_to_term(payload)} == {name, term})

      # This client says nothing in columns.
      unless String.starts_with?(name, "host.columns.") do
        written = write(term)
        assert {name, :erlang.binary_to_term(written)} == {name, term}
        if ordered?(term), do: assert({name, written in payloads} == {name, true})
      end
    end
  end

  defp write({:cancel, id}), do: Protocol.encode_cancel(id)

  defp write({:call, id, op, args, deadline}) do
    assert {:ok, frame} = Protocol.encode_call(id, op, args, deadline)
    frame
  end

  # Releases write the keys of a map in different orders, unless there is but one.
  defp ordered?(term) when is_map(term),
    do: map_size(term) < 2 and Enum.all?(Map.values(term), &ordered?/1)

  defp ordered?(term) when is_tuple(term), do: term |> Tuple.to_list() |> ordered?()
  defp ordered?(term) when is_list(term), do: Enum.all?(term, &ordered?/1)
  defp ordered?(_scalar), do: true

  test "what is no term of the protocol is no message either, and never an exception" do
    for {name, _offset, bytes, _erlang} <- rows("refused.txt") do
      assert {^name, {:error, %Error{code: :malformed_frame}}} = {name, Protocol.decode(bytes)}
    end
  end

  test "Erlang makes of what is refused what the files say" do
    for {name, _offset, bytes, expected} <- rows("refused.txt"), expected != "-" do
      assert {name, erlang(bytes)} == {name, expected}
    end
  end

  defp erlang(bytes) do
    :erlang.binary_to_term(bytes)
    "term"
  rescue
    ArgumentError -> "badarg"
  end

  test "every term is read as its text says" do
    for {name, kind, bytes, text} <- rows("terms.txt") do
      assert {name, kind, :erlang.binary_to_term(bytes)} === {name, kind, evaluate(text)}
    end
  end
end
