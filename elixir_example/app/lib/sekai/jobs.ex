defmodule Sekai.Jobs do
  @moduledoc """
  What is done in the background, by Oban.

  | worker | queue | when |
  |---|---|---|
  | `Sekai.Jobs.RetrainWorker` | `retrain` | every night, and when somebody asks |
  | `Sekai.Jobs.BatchRecommendWorker` | `batch` | after a promotion, and every night |
  | `Sekai.Jobs.StreamWorker` | `streams` | when somebody asks: what has happened since it was last run |
  | `Sekai.Jobs.PruneWorker` | `maintenance` | every hour |

  Its jobs are in the application's database, or in a PostgreSQL of Oban's own: [Oban and CockroachDB](guides/oban.md).
  """

  @doc "The repository of the jobs: `Sekai.Repo`, or `Sekai.ObanRepo`."
  @spec repo() :: module()
  def repo, do: :sekai |> Application.fetch_env!(Oban) |> Keyword.fetch!(:repo)
end
