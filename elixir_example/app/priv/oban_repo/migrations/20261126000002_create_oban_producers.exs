defmodule Sekai.ObanRepo.Migrations.CreateObanProducers do
  use Ecto.Migration

  def change do
    create table(:oban_producers, primary_key: false) do
      add :uuid, :text, primary_key: true
      add :seen_at, :utc_datetime_usec, null: false
    end
  end
end
