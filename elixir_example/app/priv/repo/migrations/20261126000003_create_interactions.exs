defmodule Sekai.Repo.Migrations.CreateInteractions do
  use Ecto.Migration

  @disable_ddl_transaction true

  def change do
    create table(:interactions, primary_key: false) do
      # Whoever reports an interaction chooses its id, and may report it again. An export reads along it.
      add :id, :binary_id, primary_key: true, default: fragment("gen_random_uuid()")
      add :user_id, references(:users, type: :binary_id, on_delete: :delete_all), null: false
      # Of an avatar, a map or a prop.
      add :item_id, :binary_id, null: false
      add :kind, :string, null: false
      add :weight, :float, null: false
      add :time, :utc_datetime_usec, null: false
    end

    # The history of a user, newest first; and what is popular of late.
    create index(:interactions, [:user_id, :time])
    create index(:interactions, [:time, :item_id])
  end
end
