defmodule Sekai.Content.SharedContent do
  @moduledoc "What avatars, maps and props have in common, as uro's user content."

  @spec __using__(keyword()) :: Macro.t()
  defmacro __using__(table: table) do
    quote do
      use Sekai.Schema

      @type t :: %__MODULE__{}

      schema unquote(table) do
        field :name, :string
        field :description, :string
        field :is_public, :boolean, default: false
        field :style, :string
        field :platform, :string
        belongs_to :uploader, Sekai.Accounts.User
        timestamps()
      end

      @doc false
      @spec changeset(t(), map()) :: Ecto.Changeset.t()
      def changeset(content, attributes) do
        content
        |> cast(attributes, [:name, :description, :is_public, :style, :platform, :uploader_id])
        |> validate_required([:name, :uploader_id])
        |> foreign_key_constraint(:uploader_id)
      end
    end
  end
end
