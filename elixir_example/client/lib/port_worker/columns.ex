defmodule PortWorker.Columns do
  @moduledoc """
  Columns as Elixir terms, and back: for those who have no `Nx`.

  A column is many values of one kind in one binary, `{kind, binary}`, little-endian without padding. Arguments that are
  many ids take one, and answers in columns consist of them.
  """

  @doc """
  The values of a column, in order. A list, which stands in a column's place where no kind holds the ids, is itself.

      iex> PortWorker.Columns.to_list({:int64, <<7::little-64, -1::little-64>>})
      [7, -1]

      iex> PortWorker.Columns.to_list({:uuid, <<0x00112233445566778899AABBCCDDEEFF::128>>})
      ["00112233-4455-6677-8899-aabbccddeeff"]

  A float that is not a number, as `PortWorker.score/4` has for an unknown item, is `nil`:

      iex> PortWorker.Columns.to_list({:float32, <<0.5::float-little-32, 0, 0, 192, 127>>})
      [0.5, nil]
  """
  @spec to_list(PortWorker.column() | list()) :: [integer() | float() | String.t() | nil]
  def to_list(list) when is_list(list), do: list
  def to_list({:int64, binary}), do: for(<<value::signed-little-64 <- binary>>, do: value)
  def to_list({:int32, binary}), do: for(<<value::signed-little-32 <- binary>>, do: value)
  def to_list({:uint8, binary}), do: :binary.bin_to_list(binary)
  def to_list({:float32, binary}), do: for(<<raw::binary-4 <- binary>>, do: float(raw))
  def to_list({:uuid, binary}), do: for(<<raw::binary-16 <- binary>>, do: uuid_text(raw))

  @doc """
  The column of these ids: of 64-bit integers, or of UUIDs in lower case with dashes. Other ids stay the list that they are.

      iex> PortWorker.Columns.from_ids([7, -1])
      {:int64, <<7, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255>>}

      iex> PortWorker.Columns.from_ids(["00112233-4455-6677-8899-aabbccddeeff"])
      {:uuid, <<0x00112233445566778899AABBCCDDEEFF::128>>}

      iex> PortWorker.Columns.from_ids(["ada", "00112233-4455-6677-8899-aabbccddeeff"])
      ["ada", "00112233-4455-6677-8899-aabbccddeeff"]

      iex> PortWorker.Columns.from_ids([7, Integer.pow(2, 63)])
      [7, 9223372036854775808]

  A frame holds some 30,000 ids in a list, and 100,000 users or interactions in columns.
  """
  @spec from_ids([PortWorker.id()]) :: PortWorker.ids()
  def from_ids(ids) when is_list(ids) do
    cond do
      Enum.all?(ids, &int64?/1) -> {:int64, for(id <- ids, into: "", do: <<id::signed-little-64>>)}
      Enum.all?(ids, &uuid?/1) -> {:uuid, for(id <- ids, into: "", do: uuid_raw(id))}
      true -> ids
    end
  end

  @doc """
  The column of these numbers, for `weights` of `PortWorker.feedback/3`.

      iex> PortWorker.Columns.from_floats([0.5, 2])
      {:float32, <<0, 0, 0, 63, 0, 0, 0, 64>>}
  """
  @spec from_floats([number()]) :: PortWorker.column()
  def from_floats(numbers), do: {:float32, for(number <- numbers, into: "", do: <<number::float-little-32>>)}

  @doc """
  What `PortWorker.recommend_many/3` answered, user by user, in the order in which they were given.

      iex> answer = %{
      ...>   ids: ["m7", "m2"],
      ...>   items: {:int32, <<1::little-32, 0::little-32, 0::little-32, -1::little-32>>},
      ...>   scores: {:float32, <<0.5::float-little-32, 0.25::float-little-32, 3.0::float-little-32, 0::32>>},
      ...>   sources: {:uint8, <<0, 1>>},
      ...>   source_names: [:model, :popular],
      ...>   n: 2,
      ...>   model: "v1"
      ...> }
      iex> Enum.to_list(PortWorker.Columns.users(answer))
      [
        %{items: [{"m2", 0.5}, {"m7", 0.25}], source: :model},
        %{items: [{"m7", 3.0}], source: :popular}
      ]

  It is a stream: a user's list is made when it is asked for. Where fewer items than `n` were left, `items` is shorter.
  """
  @spec users(PortWorker.recommendations()) :: Enumerable.t()
  def users(%{items: {:int32, items}, scores: {:float32, scores}, sources: {:uint8, sources}} = answer) do
    ids = answer.ids |> to_list() |> List.to_tuple()
    names = List.to_tuple(answer.source_names)
    width = 4 * answer.n

    Stream.unfold({items, scores, sources}, fn
      {_items, _scores, ""} ->
        nil

      {items, scores, <<source, sources::binary>>} ->
        <<positions::binary-size(width), items::binary>> = items
        <<values::binary-size(width), scores::binary>> = scores
        user = %{items: pairs(positions, values, ids), source: elem(names, source)}
        {user, {items, scores, sources}}
    end)
  end

  defp pairs(<<at::signed-little-32, positions::binary>>, <<score::float-little-32, scores::binary>>, ids)
       when at >= 0,
       do: [{elem(ids, at), score} | pairs(positions, scores, ids)]

  defp pairs(_none_left, _scores, _ids), do: []

  defp float(<<value::float-little-32>>), do: value
  defp float(_not_finite), do: nil

  defp uuid_text(raw) do
    <<a::binary-8, b::binary-4, c::binary-4, d::binary-4, e::binary>> = Base.encode16(raw, case: :lower)
    <<a::binary, ?-, b::binary, ?-, c::binary, ?-, d::binary, ?-, e::binary>>
  end

  # What is larger would be cut to another's id.
  defp int64?(id), do: is_integer(id) and id in -0x8000_0000_0000_0000..0x7FFF_FFFF_FFFF_FFFF

  defp uuid?(id), do: is_binary(id) and uuid_raw(id) != nil and uuid_text(uuid_raw(id)) == id

  defp uuid_raw(<<a::binary-8, ?-, b::binary-4, ?-, c::binary-4, ?-, d::binary-4, ?-, e::binary-12>>) do
    case Base.decode16(a <> b <> c <> d <> e, case: :lower) do
      {:ok, raw} -> raw
      :error -> nil
    end
  end

  defp uuid_raw(_other), do: nil
end
