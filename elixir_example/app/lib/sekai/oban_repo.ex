defmodule Sekai.ObanRepo do
  @moduledoc """
  A PostgreSQL of Oban's own, where `OBAN_DATABASE_URL` is set; else it is not started.

  guides/oban.md says when to have one.
  """

  use Ecto.Repo, otp_app: :sekai, adapter: Ecto.Adapters.Postgres
end
