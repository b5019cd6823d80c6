defmodule Sekai.Repo.Migrations.CreateObanProducers do
  use Ecto.Migration

  @disable_ddl_transaction true

  # Who runs jobs, and when they were last heard of: Sekai.Jobs.Lifeline.
  def change do
    create table(:oban_producers, primary_key: false) do
      add :uuid, :text, primary_key: true
      add :seen_at, :utc_datetime_usec, null: false
    end
  end
end
