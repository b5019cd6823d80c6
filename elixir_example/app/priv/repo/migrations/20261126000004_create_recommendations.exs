defmodule Sekai.Repo.Migrations.CreateRecommendations do
  use Ecto.Migration

  @disable_ddl_transaction true

  def change do
    create table(:recommendations, primary_key: false) do
      # One row a user, whatever is done twice.
      add :user_id, references(:users, type: :binary_id, on_delete: :delete_all), primary_key: true
      add :item_ids, {:array, :binary_id}, null: false
      add :scores, {:array, :float}, null: false
      add :source, :string, null: false
      add :model_version, :string, null: false
      timestamps()
    end

    create index(:recommendations, [:model_version])
  end
end
