defmodule Sekai.Repo do
  use Ecto.Repo, otp_app: :sekai, adapter: Ecto.Adapters.Postgres
end
