defmodule Sekai.Recommender do
  @moduledoc """
  The workers, under this module's name: `PortWorker.recommend(Sekai.Recommender, user_id)`.

  Where they run is `config :sekai, :placement`:

    * `:flame` - on runners of the pool `Sekai.Runners`, as many as the load asks for (default)
    * `:local` - one, on this node
    * `:none` - nowhere: every call answers `:worker_down` at once, and what can do without does
  """

  @doc "What `Sekai.Application` supervises of it."
  @spec children() :: [Supervisor.child_spec() | {module(), keyword()}]
  def children do
    case placement() do
      :local -> [{PortWorker, [name: __MODULE__] ++ options()}]
      :none -> []
    end
  end

  @doc "Where the workers run."
  @spec placement() :: :flame | :local | :none
  def placement, do: Application.get_env(:sekai, :placement, :local)

  @doc "The options of each worker, as of `PortWorker.start_link/1`."
  @spec options() :: keyword()
  def options, do: Application.fetch_env!(:sekai, __MODULE__)
end
