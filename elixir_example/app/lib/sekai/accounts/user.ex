defmodule Sekai.Accounts.User do
  @moduledoc "Somebody who visits and likes things. The columns are uro's, as far as recommending needs them."

  use Sekai.Schema

  alias Sekai.Accounts.UserPrivilegeRuleset

  @type t :: %__MODULE__{}

  schema "users" do
    field :username, :string
    field :display_name, :string
    field :platform, :string
    field :interest, :string
    has_one :user_privilege_ruleset, UserPrivilegeRuleset
    timestamps()
  end

  @doc false
  @spec changeset(t(), map()) :: Ecto.Changeset.t()
  def changeset(user, attributes) do
    user
    |> cast(attributes, [:username, :display_name, :platform, :interest])
    |> validate_required([:username, :display_name])
    |> unique_constraint(:username)
  end
end
