defmodule Sekai.Accounts.UserPrivilegeRuleset do
  @moduledoc "What a user may do besides looking, as in uro."

  use Sekai.Schema

  @type t :: %__MODULE__{}

  @primary_key false
  schema "user_privilege_rulesets" do
    belongs_to :user, Sekai.Accounts.User, primary_key: true
    field :is_admin, :boolean, default: false
    timestamps()
  end
end
