defmodule Sekai.Repo.Migrations.CreateContent do
  use Ecto.Migration

  @disable_ddl_transaction true

  @tables [avatars: "avatar", maps: "map", props: "prop"]

  def up do
    for {table, _kind} <- @tables, do: create_content(table)
    execute("CREATE VIEW items AS " <> Enum.map_join(@tables, " UNION ALL ", &select/1))
  end

  def down do
    execute("DROP VIEW items")
    for {table, _kind} <- Enum.reverse(@tables), do: drop(table(table))
  end

  defp create_content(name) do
    create table(name, primary_key: false) do
      add :id, :binary_id, primary_key: true, default: fragment("gen_random_uuid()")
      add :name, :string, null: false
      add :description, :text
      add :uploader_id, references(:users, type: :binary_id, on_delete: :delete_all), null: false
      add :is_public, :boolean, null: false, default: false
      add :style, :string
      add :platform, :string
      timestamps()
    end

    create index(name, [:uploader_id])
  end

  # What the worker's source reads, too: priv/recommender/port_worker.toml.
  defp select({table, kind}) do
    "SELECT id, '#{kind}'::text AS kind, name, uploader_id, is_public, style, platform, inserted_at FROM #{table}"
  end
end
