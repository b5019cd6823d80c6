defmodule Mix.Tasks.Sekai.Token do
  @shortdoc "Prints a token of a user"

  @moduledoc """
  Prints a token by which the API knows a user for a week.

      mix sekai.token USERNAME [--admin] [--create]

      curl -H "authorization: Bearer $(mix sekai.token ada)" http://localhost:4000/api/recommendations/$ID

  With `--admin` the user may administer from now on. With `--create` a user of that name is made where there is none.
  """

  use Mix.Task

  alias Sekai.{Accounts, Repo}

  @requirements ["app.config"]

  @impl Mix.Task
  def run(arguments) do
    case OptionParser.parse(arguments, strict: [admin: :boolean, create: :boolean]) do
      {options, [username], []} -> print(username, options)
      _other -> Mix.raise("expected: mix sekai.token USERNAME [--admin] [--create]")
    end
  end

  defp print(username, options) do
    # It keeps the key that a token is signed with.
    {:ok, _started} = Application.ensure_all_started(:plug_crypto)
    {:ok, token, _started} = Ecto.Migrator.with_repo(Repo, fn _repo -> token(username, options) end)
    Mix.shell().info(token)
  end

  defp token(username, options) do
    user = Accounts.get_user_by_username(username) || missing(username, options[:create])
    if options[:admin], do: {:ok, _ruleset} = Accounts.make_admin(user)
    Accounts.token(user)
  end

  defp missing(username, true) do
    {:ok, user} = Accounts.create_user(%{username: username, display_name: username})
    user
  end

  defp missing(username, _no), do: Mix.raise("there is no user #{username}; --create makes one")
end
