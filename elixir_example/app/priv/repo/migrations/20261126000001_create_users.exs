defmodule Sekai.Repo.Migrations.CreateUsers do
  use Ecto.Migration

  # CockroachDB changes schemas outside of transactions; so do all migrations here.
  @disable_ddl_transaction true

  def change do
    create table(:users, primary_key: false) do
      add :id, :binary_id, primary_key: true, default: fragment("gen_random_uuid()")
      add :username, :string, null: false
      add :display_name, :string, null: false
      add :platform, :string
      add :interest, :string
      timestamps()
    end

    create unique_index(:users, [:username])

    create table(:user_privilege_rulesets, primary_key: false) do
      add :user_id, references(:users, type: :binary_id, on_delete: :delete_all), primary_key: true
      add :is_admin, :boolean, null: false, default: false
      timestamps()
    end
  end
end
