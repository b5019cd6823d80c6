defmodule Sekai.Application do
  @moduledoc false

  use Application

  @impl true
  def start(_type, _arguments) do
    Supervisor.start_link(children(), strategy: :one_for_one, name: Sekai.Supervisor)
  end

  # What is placed on a runner is a process of its own, which needs none of these.
  defp children, do: if(Sekai.Runners.runner?(), do: [], else: all_children())

  defp all_children do
    [
      Sekai.Repo,
      {Phoenix.PubSub, name: Sekai.PubSub},
      Sekai.Recommendations.Popular
    ] ++
      Sekai.Recommender.children() ++
      [
        Sekai.Monitor,
        {Oban, Application.fetch_env!(:sekai, Oban)},
        SekaiWeb.Endpoint
      ]
  end

  @impl true
  def config_change(changed, _new, removed) do
    SekaiWeb.Endpoint.config_change(changed, removed)
    :ok
  end
end
