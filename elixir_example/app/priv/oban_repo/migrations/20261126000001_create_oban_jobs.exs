defmodule Sekai.ObanRepo.Migrations.CreateObanJobs do
  use Ecto.Migration

  def up do
    Oban.Migration.up(version: 14)

    # As in the application's own database: priv/repo/migrations/20261126000006_create_oban_jobs.exs.
    create unique_index(:oban_jobs, [:worker, "coalesce(args->>'version', '')"],
             name: :oban_jobs_single_index,
             where:
               "queue IN ('retrain', 'batch', 'maintenance') AND " <>
                 "state IN ('available', 'suspended', 'scheduled', 'executing', 'retryable')"
           )

    # Jobs of one database and of the other are never of one id, by which retrain_runs and batch_runs know them.
    execute "SELECT setval('oban_jobs_id_seq', (extract(epoch FROM now()) * 1000)::bigint)"
  end

  def down, do: Oban.Migration.down()
end
