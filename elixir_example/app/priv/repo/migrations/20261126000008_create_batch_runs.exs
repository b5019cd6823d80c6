defmodule Sekai.Repo.Migrations.CreateBatchRuns do
  use Ecto.Migration

  @disable_ddl_transaction true

  def change do
    create table(:batch_runs, primary_key: false) do
      add :id, :binary_id, primary_key: true, default: fragment("gen_random_uuid()")
      # Of the Oban job, which may run it more than once.
      add :job_id, :bigint, null: false
      add :model_version, :string, null: false
      add :state, :string, null: false
      # Users up to this id have their lists, so many of them.
      add :cursor, :binary_id
      add :users, :bigint, null: false, default: 0
      add :finished_at, :utc_datetime_usec
      timestamps()
    end

    create unique_index(:batch_runs, [:job_id])
    create index(:batch_runs, [:inserted_at])
  end
end
