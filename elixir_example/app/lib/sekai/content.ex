defmodule Sekai.Content do
  @moduledoc """
  Avatars, maps and props, and which of them anybody may see.

  Whatever is shown of recommendations comes through `public_items/1`: an item that was made private after a model learnt
  it, or after a list was stored, is not in any answer.
  """

  import Ecto.Query

  alias Sekai.Content.{Avatar, Item, Map, Prop}
  alias Sekai.{Repo, Transaction}

  @schemas %{"avatar" => Avatar, "map" => Map, "prop" => Prop}

  @doc "The public items among `ids`, in the order of `ids`. Those that are private or unknown are left out."
  @spec public_items([Ecto.UUID.t()]) :: [Item.t()]
  def public_items(ids) do
    # An id that is no UUID is no item's here, whatever a worker or a client takes it for.
    ids = Enum.filter(ids, &match?({:ok, _uuid}, Ecto.UUID.dump(&1)))

    found =
      from(item in Item, where: item.id in ^ids and item.is_public)
      |> Repo.all()
      |> Elixir.Map.new(&{&1.id, &1})

    for id <- ids, item = found[id], do: item
  end

  @doc "A public item by its id, or nil: also where the id is no UUID."
  @spec get_public_item(String.t()) :: Item.t() | nil
  def get_public_item(id) do
    case Ecto.UUID.cast(id) do
      {:ok, id} -> Repo.one(from item in Item, where: item.id == ^id and item.is_public)
      :error -> nil
    end
  end

  @doc "Adds an avatar, a map or a prop."
  @spec create(String.t(), map()) :: {:ok, struct()} | {:error, Ecto.Changeset.t()}
  def create(kind, attributes) when is_map_key(@schemas, kind) do
    schema = @schemas[kind]

    Transaction.run(fn -> schema |> struct() |> schema.changeset(attributes) |> Repo.insert() end,
      name: :create_content
    )
  end

  @doc "Makes an item public or private. An answer that is on its way may still have it; none that is asked for later has."
  @spec set_public(Item.t(), boolean()) :: :ok | {:error, :not_found}
  def set_public(%Item{id: id, kind: kind}, public?) do
    query = from content in @schemas[kind], where: content.id == ^id
    set = [is_public: public?, updated_at: DateTime.utc_now()]

    case Transaction.run(fn -> {:ok, Repo.update_all(query, set: set)} end, name: :set_public) do
      {:ok, {1, _none}} -> :ok
      {:ok, {0, _none}} -> {:error, :not_found}
    end
  end
end
