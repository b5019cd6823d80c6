defmodule Sekai.Models.ModelVersion do
  @moduledoc "A model that was trained: what the database knows of a version in the workers' store."

  use Sekai.Schema

  @type t :: %__MODULE__{}

  @primary_key {:version, :string, autogenerate: false}
  schema "model_versions" do
    field :algorithm, :string
    field :metrics, :map, default: %{}
    field :data_until, :utc_datetime_usec
    field :trained_at, :utc_datetime_usec
    field :activated_at, :utc_datetime_usec
    timestamps()
  end
end
