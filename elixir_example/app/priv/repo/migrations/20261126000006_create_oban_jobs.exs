defmodule Sekai.Repo.Migrations.CreateObanJobs do
  use Ecto.Migration

  # Oban's own migrations have DO blocks, GIN indexes and an array of JSON, which CockroachDB does not take. This is the
  # table that they lead to, without what Oban.Engines.Basic can do without: guides/oban.md has what differs and why.
  @disable_ddl_transaction true

  @states ~w(available suspended scheduled executing retryable completed discarded cancelled)
  @unfinished ~w(available suspended scheduled executing retryable)

  def up do
    create table(:oban_jobs, primary_key: false) do
      add :id, :bigserial, primary_key: true
      add :state, :text, null: false, default: "available"
      add :queue, :text, null: false, default: "default"
      add :worker, :text, null: false
      add :args, :map, null: false, default: %{}
      add :meta, :map, null: false, default: %{}
      add :tags, {:array, :text}, null: false, default: []
      add :errors, :map, null: false, default: fragment("'[]'")
      add :attempt, :integer, null: false, default: 0
      add :max_attempts, :integer, null: false, default: 20
      add :priority, :integer, null: false, default: 0
      add :attempted_by, {:array, :text}
      add :inserted_at, :utc_datetime_usec, null: false, default: fragment("timezone('UTC', now())")
      add :scheduled_at, :utc_datetime_usec, null: false, default: fragment("timezone('UTC', now())")
      add :attempted_at, :utc_datetime_usec
      add :completed_at, :utc_datetime_usec
      add :discarded_at, :utc_datetime_usec
      add :cancelled_at, :utc_datetime_usec
    end

    create constraint(:oban_jobs, :known_state, check: "state IN (#{list(@states)})")
    create constraint(:oban_jobs, :attempt_range, check: "attempt BETWEEN 0 AND max_attempts")
    create constraint(:oban_jobs, :positive_max_attempts, check: "max_attempts > 0")
    create constraint(:oban_jobs, :priority_range, check: "priority >= 0")

    # Jobs are fetched along exactly this one, with SKIP LOCKED.
    create index(:oban_jobs, [:state, :queue, :priority, :scheduled_at, :id])
    create index(:oban_jobs, [:state, :cancelled_at])
    create index(:oban_jobs, [:state, :discarded_at])

    # In place of `unique:`, which takes an advisory lock: in these queues no two jobs of a worker are unfinished, those
    # for different versions of the model aside. Oban.insert/2 answers a job without an id to the second.
    create unique_index(:oban_jobs, [:worker, "coalesce(args->>'version', '')"],
             name: :oban_jobs_single_index,
             where: "queue IN ('retrain', 'batch', 'maintenance') AND state IN (#{list(@unfinished)})"
           )

    # By this Oban knows a table that it has not migrated itself.
    execute "COMMENT ON TABLE oban_jobs IS '∞'"
  end

  def down, do: drop(table(:oban_jobs))

  defp list(names), do: Enum.map_join(names, ", ", &"'#{&1}'")
end
