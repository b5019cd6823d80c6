defmodule Sekai.Interactions do
  @moduledoc "Who visited or liked what. Interactions are written once and never changed."

  import Ecto.Query

  alias Sekai.Content.Item
  alias Sekai.Interactions.Interaction
  alias Sekai.{Repo, Transaction}

  @typedoc "How many of a batch are new, and how many were there already."
  @type counts :: %{accepted: non_neg_integer(), duplicates: non_neg_integer()}

  # PostgreSQL takes 65,535 parameters a statement, and CockroachDB likes small transactions.
  @chunk 1_000
  @popular_days 90

  @doc """
  Records a batch of interactions, each with an id of its own: one that is there already is left as it is.

  All or none: where some are not as expected, nothing is written, and `{:error, errors}` has
  `%{index: _, field: _, message: _}` for each mistake.
  """
  @spec record([map()]) ::
          {:ok, counts()} | {:error, [%{index: non_neg_integer(), field: atom(), message: String.t()}]}
  def record(batch) do
    changesets = Enum.map(batch, &Interaction.changeset/1)

    with :ok <- check(changesets),
         {:ok, rows} <- known(Enum.map(changesets, &row/1)),
         do: Transaction.run(fn -> insert(rows) end, name: :record_interactions)
  end

  defp check(changesets) do
    mistakes =
      for {changeset, index} <- Enum.with_index(changesets), {field, error} <- changeset.errors do
        %{index: index, field: field, message: Sekai.Schema.message(error)}
      end

    if mistakes == [], do: :ok, else: {:error, mistakes}
  end

  defp row(changeset) do
    changeset |> Ecto.Changeset.apply_changes() |> Map.take([:id, :user_id, :item_id, :kind, :weight, :time])
  end

  # Users are held by a foreign key, but items are of three tables.
  defp known(rows) do
    users = existing(Sekai.Accounts.User, rows, :user_id)
    items = existing(Item, rows, :item_id)

    mistakes =
      for {row, index} <- Enum.with_index(rows),
          {field, known} <- [user_id: users, item_id: items],
          not MapSet.member?(known, row[field]),
          do: %{index: index, field: field, message: "does not exist"}

    if mistakes == [], do: {:ok, rows}, else: {:error, mistakes}
  end

  defp existing(schema, rows, field) do
    ids = rows |> Enum.map(& &1[field]) |> Enum.uniq()
    from(row in schema, where: row.id in ^ids, select: row.id) |> Repo.all() |> MapSet.new()
  end

  defp insert(rows) do
    accepted =
      for chunk <- Enum.chunk_every(rows, @chunk), reduce: 0 do
        count ->
          count + elem(Repo.insert_all(Interaction, chunk, on_conflict: :nothing, conflict_target: :id), 0)
      end

    {:ok, %{accepted: accepted, duplicates: length(rows) - accepted}}
  end

  @doc "A user's newest interactions, newest first."
  @spec history(Ecto.UUID.t(), pos_integer()) :: [Interaction.t()]
  def history(user_id, limit \\ 20) do
    Repo.all(
      from i in Interaction, where: i.user_id == ^user_id, order_by: [desc: i.time, desc: i.id], limit: ^limit
    )
  end

  @doc """
  The ids of what a user had last, oldest first, for `recent:` of `PortWorker.recommend/3`: at most `limit`.

  Empty where nothing of it is newer than `since`: then the model knows it all.
  """
  @spec recent_items(Ecto.UUID.t(), DateTime.t() | nil, pos_integer()) :: [Ecto.UUID.t()]
  def recent_items(user_id, since, limit \\ 50)
  def recent_items(_user_id, nil, _limit), do: []

  def recent_items(user_id, since, limit) do
    newer = from i in Interaction, where: i.user_id == ^user_id and i.time > ^since

    newest =
      from i in Interaction,
        where: i.user_id == ^user_id and exists(newer),
        order_by: [desc: i.time, desc: i.id],
        limit: ^limit,
        select: i.item_id

    # What was had twice stands where it was had last.
    newest |> Repo.all() |> Enum.uniq() |> Enum.reverse()
  end

  @doc "What most users had in the last #{@popular_days} days, of these kinds, or of any: public items, most popular first."
  @spec popular_items(pos_integer(), [String.t()] | nil) :: [{Ecto.UUID.t(), float()}]
  def popular_items(limit, kinds \\ nil) do
    since = DateTime.add(DateTime.utc_now(), -@popular_days, :day)

    query =
      from i in Interaction,
        join: item in Item,
        on: item.id == i.item_id,
        where: i.time > ^since and item.is_public,
        group_by: i.item_id,
        order_by: [desc: count(i.user_id, :distinct), asc: i.item_id],
        limit: ^limit,
        select: {i.item_id, type(count(i.user_id, :distinct), :float)}

    Repo.all(if kinds, do: where(query, [_i, item], item.kind in ^kinds), else: query)
  end
end
