defmodule Sekai.Recommendations do
  @moduledoc """
  What a user is shown.

  A worker answers, within the time that the caller has. Where it does not, and the caller takes less, the list that the
  batch job has stored is the answer, or else what is popular; `fallback` says so. Every answer has public items only.
  """

  import Ecto.Query

  alias PortWorker.Error
  alias Sekai.{Content, Interactions, Models, Recommender, Repo, Transaction}
  alias Sekai.Content.Item
  alias Sekai.Recommendations.{Popular, Recommendation}

  @typedoc """
  Items with their scores, best first. `source` is that of `PortWorker.recommend/3`, or `:stored`; `fallback` is nil, or
  the error for which this is not from a worker.
  """
  @type t :: %{
          items: [{Item.t(), float()}],
          source: atom(),
          model: String.t() | nil,
          fallback: Error.t() | nil
        }

  @timeout_ms 250
  # Asked for beyond what is wanted, for those that were made private since the model was trained.
  @spare 10

  @doc """
  What `user_id` is likely to want next.

    * `:n` - how many items (10)
    * `:kinds` - of which kinds, as of `Sekai.Content.Item.kinds/0` (any)
    * `:exclude` - ids that must not be among them (`[]`)
    * `:timeout` - milliseconds that the worker has (#{@timeout_ms})
    * `:fallback` - whether a stored or popular list is as good as none (`true`)
  """
  @spec for_user(Ecto.UUID.t(), keyword()) :: {:ok, t()} | {:error, Error.t()}
  def for_user(user_id, options \\ []) do
    n = Keyword.get(options, :n, 10)

    case PortWorker.recommend(Recommender, user_id, call(user_id, n, options)) do
      {:ok, %{items: items, source: source, model: model}} ->
        {:ok, %{items: public(items, n), source: source, model: model, fallback: nil}}

      {:error, error} ->
        if Keyword.get(options, :fallback, true),
          do: {:ok, instead(user_id, n, options, error)},
          else: {:error, error}
    end
  end

  defp call(user_id, n, options) do
    wanted = [n: n + @spare, timeout: Keyword.get(options, :timeout, @timeout_ms)]
    # The database knows what the model does not yet.
    recent = Interactions.recent_items(user_id, Models.data_until())

    wanted
    |> put(:kinds, options[:kinds])
    |> put(:exclude, options[:exclude])
    |> put(:recent, recent)
  end

  defp put(call, _key, empty) when empty in [nil, []], do: call
  defp put(call, key, value), do: Keyword.put(call, key, value)

  @doc "The items most like `item_id`; `:n`, `:timeout`."
  @spec similar(Ecto.UUID.t(), keyword()) :: {:ok, t()} | {:error, Error.t()}
  def similar(item_id, options \\ []) do
    n = Keyword.get(options, :n, 10)

    with {:ok, %{items: items, model: model}} <-
           PortWorker.similar(Recommender, item_id,
             n: n + @spare,
             timeout: Keyword.get(options, :timeout, @timeout_ms)
           ) do
      {:ok, %{items: public(items, n), source: :model, model: model, fallback: nil}}
    end
  end

  defp public(items, n) do
    scores = Map.new(items)
    found = items |> Enum.map(&elem(&1, 0)) |> Content.public_items() |> Enum.take(n)
    for item <- found, do: {item, scores[item.id]}
  end

  defp instead(user_id, n, options, error) do
    case fitting(stored(user_id), n, options) do
      %{items: [_ | _]} = stored -> Map.put(stored, :fallback, error)
      _none -> %{source: :popular, model: nil, fallback: error, items: popular(n, options)}
    end
  end

  defp stored(user_id), do: Repo.get(Recommendation, user_id)

  defp fitting(nil, _n, _options), do: nil

  defp fitting(%Recommendation{} = stored, n, options) do
    items = stored.item_ids |> Enum.zip(stored.scores) |> admissible(n, options)
    %{source: :stored, model: stored.model_version, items: items}
  end

  defp popular(n, options), do: options[:kinds] |> Popular.items() |> admissible(n, options)

  defp admissible(pairs, n, options) do
    excluded = MapSet.new(options[:exclude] || [])
    kinds = options[:kinds] || Item.kinds()
    wanted = for {id, score} <- pairs, not MapSet.member?(excluded, id), do: {id, score}
    for({item, score} <- public(wanted, length(wanted)), item.kind in kinds, do: {item, score}) |> Enum.take(n)
  end

  @doc """
  Stores lists for users, each in place of the one before: rows of `user_id`, `item_ids`, `scores`, `source` and
  `model_version`. Doing it twice leaves the same. Returns how many rows there were.
  """
  @spec store([map()]) :: {:ok, non_neg_integer()}
  def store(rows) do
    now = DateTime.utc_now()
    rows = Enum.map(rows, &Map.merge(&1, %{inserted_at: now, updated_at: now}))
    replaced = [:item_ids, :scores, :source, :model_version, :updated_at]

    Transaction.run(
      fn ->
        {count, nil} =
          Repo.insert_all(Recommendation, rows, on_conflict: {:replace, replaced}, conflict_target: :user_id)

        {:ok, count}
      end,
      name: :store_recommendations
    )
  end

  @doc "How many users have a stored list of this model version."
  @spec count(String.t()) :: non_neg_integer()
  def count(version), do: Repo.aggregate(from(r in Recommendation, where: r.model_version == ^version), :count)
end
