defmodule Sekai.Recommender do
  @moduledoc """
  The workers, under this module's name: `PortWorker.recommend(Sekai.Recommender, user_id)`.

  Where they run is `config :sekai, :placement`:

    * `:flame` - on runners of `Sekai.Runners`, as many as the load asks for (default)
    * `:local` - one, on this node
    * `:none` - nowhere: every call answers `:worker_down` at once, and what can do without does

  What they learn and serve is in the store that `PORT_WORKER_STORE` names, in the environment of the worker. All of them
  have the same, so all serve the same version and follow what one of them has trained or activated.
  """

  alias Sekai.Runners

  @doc "What `Sekai.Application` supervises of it."
  @spec children() :: [Supervisor.child_spec() | {module(), keyword()}]
  def children do
    case placement() do
      :flame ->
        [Runners, {PortWorker.Fleet, [name: __MODULE__] ++ Runners.fleet(Runners.options()) ++ options()}]

      :local ->
        [{PortWorker, [name: __MODULE__] ++ options()}]

      :none ->
        []
    end
  end

  @doc "Where the workers run."
  @spec placement() :: :flame | :local | :none
  def placement, do: Application.get_env(:sekai, :placement, :flame)

  @doc "The options of each worker, as of `PortWorker.start_link/1`. Its command is that of where it runs."
  @spec options() :: keyword()
  def options, do: Application.fetch_env!(:sekai, __MODULE__)
end
