defmodule SekaiWeb.ModelJSON do
  @moduledoc "What is told of versions of the model."

  alias Sekai.Models.ModelVersion

  @spec index(%{versions: [ModelVersion.t()]}) :: map()
  def index(%{versions: versions}) do
    shown = Enum.map(versions, &show(%{version: &1}))
    %{versions: shown, active: Enum.find_value(shown, &(&1.active && &1.version))}
  end

  @spec show(%{version: ModelVersion.t()}) :: map()
  def show(%{version: model}) do
    model
    |> Map.take([:version, :algorithm, :metrics, :data_until, :trained_at])
    |> Map.put(:active, model.activated_at != nil)
  end
end
