defmodule Sekai.World do
  @moduledoc """
  Loads a made-up world into the database: the fixture of port_worker, as `bin/fixture --json-lines FOLDER` writes it.

  Its users and items are the same everywhere, by seed; the times of its interactions are moved so that the newest has just
  been. Rows that are there already are left, so that loading goes on where it was broken off, and twice is as once.
  """

  alias Sekai.Accounts.User
  alias Sekai.Content.{Avatar, Map, Prop}
  alias Sekai.Interactions.Interaction
  alias Sekai.{Repo, Transaction}

  # Five parameters a row and more; PostgreSQL takes 65,535 of them a statement.
  @chunk 2_000

  @content [{"avatars.jsonl", Avatar}, {"maps.jsonl", Map}, {"props.jsonl", Prop}]

  @doc """
  Loads the folder's files, users first. Returns how many rows are new by table; `progress` is told of each chunk, by
  table, as it is written.

  Raises `File.Error` where a file is missing.
  """
  @spec load(Path.t(), (String.t(), non_neg_integer() -> term())) :: %{String.t() => non_neg_integer()}
  def load(folder, progress \\ fn _table, _rows -> :ok end) do
    shift = shift(folder)

    [{"users.jsonl", User, &user/1}]
    |> Enum.concat(for {file, schema} <- @content, do: {file, schema, &content/1})
    |> Enum.concat([{"interactions.jsonl", Interaction, &interaction(&1, shift)}])
    |> Elixir.Map.new(fn {file, schema, row} ->
      {table(schema), load_file(Path.join(folder, file), schema, row, progress)}
    end)
  end

  defp load_file(path, schema, row, progress) do
    path
    |> File.stream!()
    |> Stream.with_index()
    |> Stream.map(fn {line, number} ->
      line |> Jason.decode!() |> Elixir.Map.put("number", number) |> row.()
    end)
    |> Stream.chunk_every(@chunk)
    |> Enum.reduce(0, fn rows, sum ->
      {:ok, written} = insert(schema, rows)
      progress.(table(schema), written)
      sum + written
    end)
  end

  defp insert(schema, rows) do
    Transaction.run(fn -> {:ok, schema |> Repo.insert_all(rows, on_conflict: :nothing) |> elem(0)} end,
      name: :load_world
    )
  end

  defp table(schema), do: schema.__schema__(:source)

  # Seconds from the newest interaction to now.
  defp shift(folder) do
    newest =
      folder
      |> Path.join("interactions.jsonl")
      |> File.stream!()
      |> Stream.map(&Jason.decode!(&1)["time"])
      |> Enum.max(fn -> 0 end)

    System.system_time(:second) - newest
  end

  defp user(%{"inserted_at" => at} = row) do
    row |> pick(~w(id username display_name platform interest)a) |> stamped(at)
  end

  defp content(%{"inserted_at" => at} = row) do
    row |> pick(~w(id name is_public uploader_id style platform)a) |> stamped(at)
  end

  # It has no id of its own: one is made of what it says and where it stands, the same each time.
  defp interaction(%{"number" => number, "time" => time} = row, shift) do
    <<id::binary-16, _rest::binary>> =
      :crypto.hash(:sha256, inspect({number, row["user_id"], row["item_id"], row["kind"], time}))

    row
    |> pick(~w(user_id item_id kind weight)a)
    |> Elixir.Map.merge(%{id: Ecto.UUID.load!(id), time: microseconds(time + shift)})
  end

  defp pick(row, keys), do: Elixir.Map.new(keys, &{&1, row[Atom.to_string(&1)]})

  defp stamped(row, at),
    do: Elixir.Map.merge(row, %{inserted_at: microseconds(at), updated_at: microseconds(at)})

  defp microseconds(seconds), do: DateTime.from_unix!(seconds * 1_000_000, :microsecond)
end
