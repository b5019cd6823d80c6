defmodule Sekai.Recommendations.Recommendation do
  @moduledoc "What the batch job has stored for a user: one row each, best item first, and the model that it is from."

  use Sekai.Schema

  @type t :: %__MODULE__{}

  @primary_key {:user_id, Ecto.UUID, autogenerate: false}
  schema "recommendations" do
    field :item_ids, {:array, Ecto.UUID}
    field :scores, {:array, :float}
    field :source, :string
    field :model_version, :string
    timestamps()
  end
end
