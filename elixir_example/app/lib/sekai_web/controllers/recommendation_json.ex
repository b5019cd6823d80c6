defmodule SekaiWeb.RecommendationJSON do
  @moduledoc "What is told of recommendations."

  @spec show(%{answer: Sekai.Recommendations.t()}) :: map()
  def show(%{answer: answer}) do
    shown = %{
      items: Enum.map(answer.items, &item/1),
      source: answer.source,
      model: answer.model,
      fallback: false
    }

    case answer.fallback do
      nil -> shown
      error -> %{shown | fallback: true} |> Map.put(:fallback_reason, Map.take(error, [:code, :message]))
    end
  end

  defp item({item, score}) do
    item |> Map.take([:id, :kind, :name, :style, :platform, :uploader_id]) |> Map.put(:score, score)
  end
end
