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
    # Oban's own repository is among them where there is one.
    Application.fetch_env!(:sekai, :ecto_repos) ++
      [
        {Phoenix.PubSub, name: Sekai.PubSub},
        {Sekai.Recommendations.Popular, Application.get_env(:sekai, Sekai.Recommendations.Popular, [])},
        {Sekai.Models.Serving, Application.get_env(:sekai, Sekai.Models.Serving, [])}
      ] ++
      Sekai.Recommender.children() ++
      [
        {DynamicSupervisor, name: Sekai.Streams.Supervisor},
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
