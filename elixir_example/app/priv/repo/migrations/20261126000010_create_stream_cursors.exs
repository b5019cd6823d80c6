defmodule Sekai.Repo.Migrations.CreateStreamCursors do
  use Ecto.Migration

  @disable_ddl_transaction true

  def change do
    create table(:stream_cursors, primary_key: false) do
      add :name, :string, primary_key: true
      # The place of an interaction in the order of time and id; it may be gone by now.
      add :time, :utc_datetime_usec, null: false
      add :interaction_id, :binary_id, null: false
      timestamps()
    end
  end
end
