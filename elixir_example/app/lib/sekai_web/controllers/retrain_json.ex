defmodule SekaiWeb.RetrainJSON do
  @moduledoc "What is told of trainings."

  alias Sekai.Models.RetrainRun

  @told ~w(id state algorithm params phase share version activated reason inserted_at started_at finished_at)a

  @spec index(%{runs: [RetrainRun.t()]}) :: map()
  def index(%{runs: runs}), do: %{runs: Enum.map(runs, &show(%{run: &1}))}

  @spec show(%{run: RetrainRun.t()}) :: map()
  def show(%{run: run}), do: Map.take(run, @told)
end
