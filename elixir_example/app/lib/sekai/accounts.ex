defmodule Sekai.Accounts do
  @moduledoc "Users, the tokens by which they are known, and who of them may administer."

  import Ecto.Query

  alias Sekai.Accounts.{User, UserPrivilegeRuleset}
  alias Sekai.{Repo, Transaction}

  # A week, as uro's sessions.
  @token_max_age_s 7 * 24 * 3600
  @salt "sekai access token"

  @doc "A user by their id, or nil: also where the id is no UUID."
  @spec get_user(String.t()) :: User.t() | nil
  def get_user(id) do
    case Ecto.UUID.cast(id) do
      {:ok, id} -> Repo.get(User, id)
      :error -> nil
    end
  end

  @doc "A user by their name, or nil."
  @spec get_user_by_username(String.t()) :: User.t() | nil
  def get_user_by_username(username), do: Repo.get_by(User, username: username)

  @doc "Makes a user."
  @spec create_user(map()) :: {:ok, User.t()} | {:error, Ecto.Changeset.t()}
  def create_user(attributes),
    do: Transaction.run(fn -> %User{} |> User.changeset(attributes) |> Repo.insert() end, name: :create_user)

  @doc "At most `limit` users whose name begins with `text`, or has it in it; by name."
  @spec search_users(String.t(), pos_integer()) :: [User.t()]
  def search_users(text, limit \\ 10) do
    # No name has a NUL, which the database takes in no text at all.
    text = String.replace(text, "\0", "\uFFFD")
    pattern = "%" <> String.replace(text, ~r/[\\%_]/, "\\\\\\0") <> "%"

    Repo.all(
      from user in User,
        where: ilike(user.display_name, ^pattern) or ilike(user.username, ^pattern),
        order_by: [user.display_name, user.id],
        limit: ^limit
    )
  end

  @doc "Has a user administer."
  @spec make_admin(User.t()) :: {:ok, UserPrivilegeRuleset.t()} | {:error, Ecto.Changeset.t()}
  def make_admin(%User{id: id}) do
    ruleset = %UserPrivilegeRuleset{user_id: id, is_admin: true}
    options = [on_conflict: {:replace, [:is_admin, :updated_at]}, conflict_target: :user_id]
    Transaction.run(fn -> Repo.insert(ruleset, options) end, name: :make_admin)
  end

  @doc "Whether a user may administer."
  @spec admin?(User.t() | nil) :: boolean()
  def admin?(nil), do: false

  def admin?(%User{id: id}),
    do: Repo.exists?(from ruleset in UserPrivilegeRuleset, where: ruleset.user_id == ^id and ruleset.is_admin)

  @doc """
  A token by which a user is known for a week. Signed with the secret of the endpoint; nothing is stored.

  `:signed_at`, in seconds, has the week begin at another time.
  """
  @spec token(User.t(), keyword()) :: String.t()
  def token(%User{id: id}, options \\ []), do: Phoenix.Token.sign(secret(), @salt, id, options)

  @doc "The user whose token this is."
  @spec authenticate(String.t()) :: {:ok, User.t()} | {:error, :invalid | :expired | :unknown_user}
  def authenticate(token) do
    with {:ok, id} <- Phoenix.Token.verify(secret(), @salt, token, max_age: @token_max_age_s) do
      case Repo.get(User, id) do
        nil -> {:error, :unknown_user}
        user -> {:ok, user}
      end
    else
      {:error, :expired} -> {:error, :expired}
      {:error, _why} -> {:error, :invalid}
    end
  end

  # From the configuration: a token may be had where no endpoint runs.
  defp secret, do: :sekai |> Application.fetch_env!(SekaiWeb.Endpoint) |> Keyword.fetch!(:secret_key_base)
end
