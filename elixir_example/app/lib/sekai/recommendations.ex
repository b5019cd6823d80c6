defmodule Sekai.Recommendations do
  @moduledoc """
  What a user is shown.

  A worker answers, within the time that the caller has. Where it does not, and the caller takes less, the list that the
  batch job has stored is the answer, or else what is popular; `fallback` says so. Every answer has public items only.
  """

  import Ecto.Query

  alias PortWorker.Error
  alias Sekai.{Content, Interactions, Recommender, Repo, Transaction}
  alias Sekai.Content.Item
  alias Sekai.Models.Serving
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
  # Rows a statement: PostgreSQL takes 65,535 parameters.
  @chunk 1_000
  # Codes after which a list is better than nothing, although asking again would not help.
  @broken [:unknown_item, :internal, :model_damaged, :unsupported_protocol]
  # Of the time that there is, a worker has this share where a list would follow in its place.
  @share 0.75

  @doc """
  What `user_id` is likely to want next.

    * `:n` - how many items (10)
    * `:kinds` - of which kinds, as of `Sekai.Content.Item.kinds/0` (any)
    * `:exclude` - ids that must not be among them (`[]`)
    * `:timeout` - milliseconds until the answer has to be there (#{@timeout_ms})
    * `:fallback` - whether a stored or popular list is as good as none (`true`); a worker then has three quarters of the
      time

  There is no fallback from a mistake of the caller's, nor from `:overloaded`: the database would only be next.
  """
  @spec for_user(Ecto.UUID.t(), keyword()) :: {:ok, t()} | {:error, Error.t()}
  def for_user(user_id, options \\ []) do
    with {:ok, %{source: source} = found} <- recommend(user_id, until(options), options),
         do: {:ok, answer(found, source, options)},
         else: ({:error, error} -> instead(error, options, fn -> stored(user_id, options) end))
  end

  defp recommend(user_id, until, options) do
    # The database knows what the model does not yet.
    recent = Interactions.recent_items(user_id, Serving.data_until())

    with {:error, %Error{code: :unsupported_option, details: %{"field" => "recent"}}} <-
           PortWorker.recommend(Recommender, user_id, [recent: recent] |> call(until, options)),
         # Not every model can learn from them.
         do: PortWorker.recommend(Recommender, user_id, call([], until, options))
  end

  @doc "The items most like `item_id`, which is not among them; options are those of `for_user/2`."
  @spec similar(Ecto.UUID.t(), keyword()) :: {:ok, t()} | {:error, Error.t()}
  def similar(item_id, options \\ []) do
    # Nor is it among the popular ones.
    options = Keyword.update(options, :exclude, [item_id], &[item_id | &1 || []])

    with {:ok, found} <- PortWorker.similar(Recommender, item_id, call([], until(options), options)),
         do: {:ok, answer(found, :model, options)},
         else: ({:error, error} -> instead(error, options, fn -> nil end))
  end

  defp until(options), do: now() + Keyword.get(options, :timeout, @timeout_ms)

  defp call(more, until, options) do
    share = if fallback?(options), do: @share, else: 1
    given = [kinds: options[:kinds], exclude: excluded(options)] ++ more

    [n: n(options) + @spare, timeout: trunc(max(until - now(), 0) * share)] ++
      Enum.reject(given, fn {_name, value} -> value in [nil, []] end)
  end

  defp answer(%{items: items, model: model}, source, options),
    do: %{items: public(items, options), source: source, model: model, fallback: nil}

  defp instead(error, options, stored) do
    if fallback?(options) and answerable?(error),
      do: {:ok, Map.put(stored.() || popular(options), :fallback, error)},
      else: {:error, error}
  end

  defp answerable?(%Error{code: :overloaded}), do: false
  defp answerable?(%Error{code: code}) when code in @broken, do: true
  defp answerable?(%Error{retryable?: retryable?}), do: retryable?

  # Nil where there is no list, or nothing of it that may be shown.
  defp stored(user_id, options) do
    with %Recommendation{} = stored <- Repo.get(Recommendation, user_id),
         items when items != [] <- stored.item_ids |> Enum.zip(stored.scores) |> public(options) do
      %{items: items, source: :stored, model: stored.model_version}
    else
      _none -> nil
    end
  end

  defp popular(options),
    do: %{items: options[:kinds] |> Popular.items() |> public(options), source: :popular, model: nil}

  # The first that are public, and as wanted. Most are, so the others are looked up only if they are needed.
  defp public(pairs, options) do
    n = n(options)
    excluded = MapSet.new(excluded(options))
    kinds = options[:kinds] || Item.kinds()

    pairs
    |> Stream.reject(fn {id, _score} -> MapSet.member?(excluded, id) end)
    |> Stream.chunk_every(n)
    |> Stream.flat_map(&with_items/1)
    |> Stream.filter(fn {item, _score} -> item.kind in kinds end)
    |> Enum.take(n)
  end

  defp with_items(pairs) do
    scores = Map.new(pairs)
    for item <- pairs |> Enum.map(&elem(&1, 0)) |> Content.public_items(), do: {item, scores[item.id]}
  end

  # As the database writes them: what is no UUID is no item's.
  defp excluded(options),
    do: for(id <- options[:exclude] || [], {:ok, uuid} <- [Ecto.UUID.dump(id)], do: Ecto.UUID.load!(uuid))

  defp n(options), do: Keyword.get(options, :n, 10)
  defp fallback?(options), do: Keyword.get(options, :fallback, true)
  defp now, do: System.monotonic_time(:millisecond)

  @doc """
  Stores lists for users, each in place of the one before: rows of `user_id`, `item_ids`, `scores`, `source` and
  `model_version`, each user once. Doing it twice leaves the same. Returns how many rows there were.
  """
  @spec store([map()]) :: {:ok, non_neg_integer()}
  def store(rows) do
    now = DateTime.utc_now()
    rows = Enum.map(rows, &Map.merge(&1, %{inserted_at: now, updated_at: now}))
    replaced = [:item_ids, :scores, :source, :model_version, :updated_at]

    Transaction.run(
      fn ->
        for chunk <- Enum.chunk_every(rows, @chunk),
            do:
              Repo.insert_all(Recommendation, chunk,
                on_conflict: {:replace, replaced},
                conflict_target: :user_id
              )

        {:ok, length(rows)}
      end,
      name: :store_recommendations
    )
  end

  @doc "How many users have a stored list of this model version."
  @spec count(String.t()) :: non_neg_integer()
  def count(version), do: Repo.aggregate(from(r in Recommendation, where: r.model_version == ^version), :count)
end
