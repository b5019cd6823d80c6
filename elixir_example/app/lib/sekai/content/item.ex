defmodule Sekai.Content.Item do
  @moduledoc "An avatar, a map or a prop, as a row of the view `items` of them all. Read only."

  use Sekai.Schema

  @type t :: %__MODULE__{}

  @kinds ~w(avatar map prop)

  @primary_key {:id, Ecto.UUID, autogenerate: false}
  schema "items" do
    field :kind, :string
    field :name, :string
    field :is_public, :boolean
    field :style, :string
    field :platform, :string
    field :uploader_id, Ecto.UUID
    field :inserted_at, :utc_datetime_usec
  end

  @doc "The kinds that there are."
  @spec kinds() :: [String.t(), ...]
  def kinds, do: @kinds
end
