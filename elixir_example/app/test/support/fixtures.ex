defmodule Sekai.Fixtures do
  @moduledoc "Users, items and interactions for tests."

  alias Sekai.{Accounts, Content, Interactions, Recommendations}

  @spec user(map()) :: Accounts.User.t()
  def user(attributes \\ %{}) do
    name = "user#{System.unique_integer([:positive])}"
    {:ok, user} = Accounts.create_user(Map.merge(%{username: name, display_name: name}, attributes))
    user
  end

  @spec admin() :: Accounts.User.t()
  def admin do
    user = user()
    {:ok, _ruleset} = Accounts.make_admin(user)
    user
  end

  @doc "A public map, if not said otherwise."
  @spec item(map()) :: Content.Item.t()
  def item(attributes \\ %{}) do
    {kind, attributes} = Map.pop(attributes, :kind, "map")
    uploader = Map.get_lazy(attributes, :uploader_id, fn -> user().id end)
    name = "item#{System.unique_integer([:positive])}"

    {:ok, %{id: id}} =
      Content.create(kind, Map.merge(%{name: name, is_public: true, uploader_id: uploader}, attributes))

    Sekai.Repo.get!(Content.Item, id)
  end

  @spec interaction(Accounts.User.t(), Content.Item.t(), map()) :: map()
  def interaction(user, item, attributes \\ %{}) do
    given =
      Map.merge(%{id: Ecto.UUID.generate(), user_id: user.id, item_id: item.id, kind: "visit"}, attributes)

    {:ok, %{accepted: 1}} = Interactions.record([given])
    given
  end

  @doc "What the batch job has stored for a user: these items, the first one best, from the version `v0`."
  @spec stored_list(Accounts.User.t(), [Content.Item.t()]) :: :ok
  def stored_list(user, items) do
    row = %{
      user_id: user.id,
      item_ids: Enum.map(items, & &1.id),
      scores: for({_item, index} <- Enum.with_index(items), do: 9.0 - index),
      source: "model",
      model_version: "v0"
    }

    {:ok, 1} = Recommendations.store([row])
    :ok
  end
end
