defmodule PortWorker.Protocol do
  @moduledoc """
  The worker's wire protocol, version 1, as pure functions: terms in, frames out, and back.

  A frame is one External Term Format term; the Port's `{:packet, 4}` adds and strips the length. `protocol/SPEC.md`
  is the reference.
  """

  alias PortWorker.{Atoms, Error}

  @version 1
  # The atoms that arguments take.
  @choices ~w(pairs columns cosine dot full incremental warm gated force never)a

  # What one frame may hold: SPEC.md, Limits.
  @max_terms 32_768
  @max_depth 64
  @max_map_pairs 1_024

  # The largest term that is shown.
  @shown_bytes 8_192

  @int64_min -0x8000_0000_0000_0000
  @int64_max 0x7FFF_FFFF_FFFF_FFFF

  @typedoc "Of a call, chosen by the client: unused among those in flight."
  @type id :: non_neg_integer()
  @typedoc "The encoded op and arguments of a call."
  @type body :: binary()
  @typedoc "What a worker says."
  @type message ::
          {:hello, map()}
          | {:ok, id(), term()}
          | {:error, id() | nil, Error.t()}
          | {:progress, id(), map()}
          | {:event, atom(), map()}

  @doc "The version of the protocol that this client speaks."
  @spec version() :: pos_integer()
  def version, do: @version

  @doc """
  Encodes a call; `deadline` is what is left of the caller's time, in milliseconds.

  Arguments may hold what the wire carries: 64-bit integers, floats, strings, lists, maps, tuples, columns such as
  `{:int64, binary}`, `nil` and booleans.

      iex> {:ok, frame} = PortWorker.Protocol.encode_call(7, :recommend, %{user: 42, n: 3}, 5_000)
      iex> :erlang.binary_to_term(frame)
      {:call, 7, :recommend, %{n: 3, user: 42}, 5_000}

      iex> {:error, error} = PortWorker.Protocol.encode_call(7, :recommend, %{user: self()}, 5_000)
      iex> {error.code, String.starts_with?(error.message, "expected argument :user to be ")}
      {:invalid_argument, true}
  """
  @spec encode_call(id(), atom(), %{atom() => term()}, timeout()) :: {:ok, binary()} | {:error, Error.t()}
  def encode_call(id, op, args, deadline) do
    with {:ok, body} <- encode_body(op, args),
         do: {:ok, id |> call_frame(body, deadline) |> IO.iodata_to_binary()}
  end

  @doc """
  Encodes what of a call its caller knows, the op and the arguments: all but the id and the deadline.

  A caller does this by itself. However much it says, the connection then handles one binary, which is not copied.
  """
  @spec encode_body(atom(), %{atom() => term()}) :: {:ok, body()} | {:error, Error.t()}
  def encode_body(op, args) do
    case Enum.find(args, fn {key, value} -> not (is_atom(key) and portable?(value, @max_depth - 2)) end) do
      nil ->
        # The version and the tag of a tuple of two, whose elements become the third and fourth of the call.
        <<131, 104, 2, body::binary>> = :erlang.term_to_binary({op, args}, minor_version: 2)
        check_terms(body, args)

      {key, value} ->
        {:error, not_portable(key, value)}
    end
  end

  # A worker cannot say whose call it was that had too many terms, or was too deep, so it is told here. A term is a byte
  # at least.
  defp check_terms(body, _args) when byte_size(body) <= @max_terms, do: {:ok, body}

  defp check_terms(body, args) do
    # The call itself, and its elements.
    case 6 + elements(args) do
      terms when terms <= @max_terms ->
        {:ok, body}

      terms ->
        message =
          "expected arguments of at most #{@max_terms} terms (many ids are three as a column), got: #{terms}"

        {:error, Error.new(:invalid_argument, message, %{"limit" => @max_terms, "got" => terms})}
    end
  end

  defp elements(map) when is_map(map),
    do: Enum.reduce(map, 0, fn {_key, value}, sum -> sum + 2 + elements(value) end)

  defp elements(list) when is_list(list), do: Enum.reduce(list, 0, &(&2 + 1 + elements(&1)))
  defp elements(tuple) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> elements()
  defp elements(_scalar), do: 0

  @doc """
  The frame of a call, made around its body.

      iex> {:ok, body} = PortWorker.Protocol.encode_body(:ping, %{})
      iex> 7 |> PortWorker.Protocol.call_frame(body, :infinity) |> IO.iodata_to_binary() |> :erlang.binary_to_term()
      {:call, 7, :ping, %{}, :infinity}
  """
  @spec call_frame(id(), body(), timeout()) :: iodata()
  def call_frame(id, body, deadline),
    do: [<<131, 104, 5, 119, 4, "call">>, integer(id), body, deadline(deadline)]

  @doc """
  Encodes the cancelling of a call.

      iex> 7 |> PortWorker.Protocol.encode_cancel() |> :erlang.binary_to_term()
      {:cancel, 7}
  """
  @spec encode_cancel(id()) :: binary()
  def encode_cancel(id), do: :erlang.term_to_binary({:cancel, id})

  @doc """
  Which call a frame is about, and whether it is its end, without decoding what it carries.

  That is for whoever made the call to do. `:other` is what is no answer, or is not written as a worker writes one: it
  has to be decoded to tell.

      iex> PortWorker.Protocol.peek(<<131, 104, 3, 119, 2, "ok", 97, 7, 119, 4, "pong">>)
      {:ok, 7}

      iex> PortWorker.Protocol.peek("garbage")
      :other
  """
  @spec peek(binary()) :: {:ok | :error | :progress, id()} | :other
  def peek(<<131, 104, 3, 119, 2, "ok", rest::binary>>), do: peek_id(:ok, rest)
  def peek(<<131, 104, 3, 119, 5, "error", rest::binary>>), do: peek_id(:error, rest)
  def peek(<<131, 104, 3, 119, 8, "progress", rest::binary>>), do: peek_id(:progress, rest)
  def peek(_frame), do: :other

  defp peek_id(kind, <<97, id, _rest::binary>>), do: {kind, id}
  defp peek_id(kind, <<98, 0::1, id::31, _rest::binary>>), do: {kind, id}

  defp peek_id(kind, <<110, size, 0, id::little-size(size)-unit(8), _rest::binary>>) when size <= 8,
    do: {kind, id}

  defp peek_id(_kind, _rest), do: :other

  @doc """
  Decodes one frame from the worker, without ever making an atom.

      iex> PortWorker.Protocol.decode(:erlang.term_to_binary({:ok, 7, :pong}))
      {:ok, {:ok, 7, :pong}}

      iex> {:error, error} = PortWorker.Protocol.decode("garbage")
      iex> error.code
      :malformed_frame
  """
  @spec decode(binary()) :: {:ok, message()} | {:error, Error.t()}
  def decode(frame) do
    # A caller on another node may be the first to decode anything there.
    :ok = Atoms.load()

    with {:ok, term} <- decode_term(frame) do
      case message(term) do
        nil -> malformed("a message of the protocol", term)
        message -> {:ok, message}
      end
    end
  end

  @doc """
  Accepts a hello of this client's version.

      iex> {:error, error} = PortWorker.Protocol.check_hello(%{protocol: 2, os_pid: 1, limits: %{}})
      iex> error.message
      "expected a worker that speaks protocol 1, got: 2"
  """
  @spec check_hello(map()) :: :ok | {:error, Error.t()}
  def check_hello(%{
        protocol: @version,
        os_pid: os_pid,
        limits: %{max_in_flight: in_flight, max_frame_bytes: bytes}
      })
      when is_integer(os_pid) and is_integer(in_flight) and in_flight > 0 and is_integer(bytes) and bytes > 0,
      do: :ok

  def check_hello(%{protocol: version}) when is_integer(version) and version != @version do
    message = "expected a worker that speaks protocol #{@version}, got: #{version}"
    {:error, Error.new(:unsupported_protocol, message, %{"expected" => @version, "got" => version})}
  end

  def check_hello(hello), do: malformed("a hello with protocol, os_pid and limits", hello)

  @doc "The error for a frame that the protocol does not allow; `found` is shown, shortened."
  @spec malformed(String.t(), term()) :: {:error, Error.t()}
  def malformed(expected, found),
    do: {:error, Error.new(:malformed_frame, "expected #{expected} from the worker, got: #{show(found, 8)}")}

  @doc """
  A worker's term for people to read; of a list or a map no more than `limit` elements.

  It costs little, whatever the term: the digits of an integer as large as a frame would take hours.

      iex> PortWorker.Protocol.show(%{version: "v1"}, 8)
      ~s(%{version: "v1"})

      iex> PortWorker.Protocol.show(Integer.pow(2, 80_000), 8)
      "a term of 10008 bytes"
  """
  @spec show(term(), pos_integer()) :: String.t()
  def show(term, limit) do
    case :erlang.external_size(term) do
      size when size > @shown_bytes and not is_binary(term) -> "a term of #{size} bytes"
      _small_or_text -> inspect(term, limit: limit, printable_limit: 120, structs: false)
    end
  end

  defp integer(value) when value in 0..255, do: <<97, value>>
  defp integer(value) when value in 256..0x7FFF_FFFF, do: <<98, value::32>>

  defp integer(value),
    do: binary_part(:erlang.term_to_binary(value), 1, 3 + byte_size(:binary.encode_unsigned(value)))

  defp deadline(:infinity), do: <<119, 8, "infinity">>
  defp deadline(ms), do: integer(ms)

  # A compressed term (tag 80) may inflate a thousandfold; no worker sends one.
  defp decode_term(<<131, 80, _rest::binary>>), do: malformed("an uncompressed term", :compressed)

  defp decode_term(frame) do
    case :erlang.binary_to_term(frame, [:safe, :used]) do
      {term, used} when used == byte_size(frame) -> {:ok, term}
      {_term, used} -> malformed("one term a frame", binary_part(frame, used, byte_size(frame) - used))
    end
  rescue
    ArgumentError -> malformed("a term made of known atoms", frame)
  end

  defp message({:ok, id, _result} = message) when is_integer(id), do: message
  defp message({:progress, id, progress} = message) when is_integer(id) and is_map(progress), do: message
  defp message({:event, kind, event} = message) when is_atom(kind) and is_map(event), do: message
  defp message({:hello, hello} = message) when is_map(hello), do: message

  defp message({:error, id, %{code: code, message: text, retryable: retryable?, details: details}})
       when (is_integer(id) or is_nil(id)) and is_atom(code) and is_binary(text) and is_boolean(retryable?) and
              is_map(details),
       do: {:error, id, %Error{code: code, message: text, retryable?: retryable?, details: details}}

  defp message(_other), do: nil

  # levels: how many lists, tuples and maps may be around each other.
  defp portable?(value, _levels) when is_integer(value), do: value in @int64_min..@int64_max

  defp portable?(value, _levels)
       when is_binary(value) or is_float(value) or is_boolean(value) or is_nil(value),
       do: true

  defp portable?(choice, _levels) when choice in @choices, do: true
  defp portable?(empty, _levels) when empty in [[], {}, %{}], do: true
  defp portable?(_deeper, 0), do: false

  defp portable?({kind, column}, _levels) when kind in [:int64, :float32, :uuid] and is_binary(column),
    do: true

  defp portable?(list, levels) when is_list(list), do: all_portable?(list, levels - 1)

  defp portable?(tuple, levels) when is_tuple(tuple),
    do: tuple |> Tuple.to_list() |> all_portable?(levels - 1)

  defp portable?(map, levels) when is_map(map) and not is_struct(map) and map_size(map) <= @max_map_pairs,
    do: Enum.all?(map, fn {key, value} -> is_binary(key) and portable?(value, levels - 1) end)

  defp portable?(_other, _levels), do: false

  defp all_portable?([head | tail], levels), do: portable?(head, levels) and all_portable?(tail, levels)
  defp all_portable?(tail, _levels), do: tail == []

  defp not_portable(key, _value) when not is_atom(key) do
    found = inspect(key, limit: 8, printable_limit: 120)
    Error.new(:invalid_argument, "expected the name of each argument to be an atom, got: #{found}")
  end

  defp not_portable(key, value) do
    expected =
      "made of 64-bit integers, floats, strings, booleans, nil, columns, lists and maps with string keys " <>
        "(of #{@max_map_pairs} pairs, and #{@max_depth - 2} levels, at most)"

    found = inspect(value, limit: 8, printable_limit: 120)
    Error.new(:invalid_argument, "expected argument #{inspect(key)} to be #{expected}, got: #{found}")
  end
end
