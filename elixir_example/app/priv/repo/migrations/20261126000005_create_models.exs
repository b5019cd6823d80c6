defmodule Sekai.Repo.Migrations.CreateModels do
  use Ecto.Migration

  @disable_ddl_transaction true

  def change do
    create table(:model_versions, primary_key: false) do
      add :version, :string, primary_key: true
      add :algorithm, :string, null: false
      add :metrics, :map, null: false, default: %{}
      # Interactions that are newer are not in it.
      add :data_until, :utc_datetime_usec
      add :trained_at, :utc_datetime_usec, null: false
      # Of the one that serves; nil of all others.
      add :activated_at, :utc_datetime_usec
      timestamps()
    end

    create table(:retrain_runs, primary_key: false) do
      add :id, :binary_id, primary_key: true, default: fragment("gen_random_uuid()")
      # Of the Oban job, which may run it more than once.
      add :job_id, :bigint
      add :state, :string, null: false
      add :algorithm, :string, null: false
      add :params, :map, null: false, default: %{}
      add :phase, :string
      add :share, :float, null: false, default: 0.0
      add :version, :string
      add :activated, :boolean
      add :reason, :text
      add :started_at, :utc_datetime_usec
      add :finished_at, :utc_datetime_usec
      timestamps()
    end

    create unique_index(:retrain_runs, [:job_id])
    create index(:retrain_runs, [:inserted_at])
  end
end
