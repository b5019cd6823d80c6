defmodule Mix.Tasks.Sekai.Token do
  @shortdoc "Prints a token of a user"

  @moduledoc """
  Prints a token by which the API knows a user for a week.

      mix sekai.token USERNAME [--admin]

      curl -H "authorization: Bearer $(mix sekai.token ada)" http://localhost:4000/api/recommendations/$ID

  With `--admin` the user may administer from now on.
  """

  use Mix.Task

  alias Sekai.{Accounts, Repo}

  @requirements ["app.config"]

  @impl Mix.Task
  def run(arguments) do
    case OptionParser.parse(arguments, strict: [admin: :boolean]) do
      {options, [username], []} -> print(username, options[:admin])
      _other -> Mix.raise("expected: mix sekai.token USERNAME [--admin]")
    end
  end

  defp print(username, admin?) do
    {:ok, token, _started} = Ecto.Migrator.with_repo(Repo, fn _repo -> token(username, admin?) end)
    Mix.shell().info(token)
  end

  defp token(username, admin?) do
    user = Accounts.get_user_by_username(username) || Mix.raise("there is no user #{username}")
    if admin?, do: {:ok, _ruleset} = Accounts.make_admin(user)
    Accounts.token(user)
  end
end
