defmodule Sekai.Application do
  @moduledoc false

  use Application

  @impl true
  def start(_type, _arguments) do
    Supervisor.start_link(children(), strategy: :one_for_one, name: Sekai.Supervisor)
  end

  defp children do
    # Oban's own is among them where there is one.
    Application.fetch_env!(:sekai, :ecto_repos) ++
      [
        {Phoenix.PubSub, name: Sekai.PubSub},
        Sekai.Recommendations.Popular
      ] ++
      Sekai.Recommender.children() ++
      [
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
