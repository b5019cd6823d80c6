defmodule Sekai do
  @moduledoc """
  A small V-Sekai-like backend whose users get recommendations from `PortWorker`.

  | context | what it has |
  |---|---|
  | `Sekai.Accounts` | users, their tokens, who may administer |
  | `Sekai.Content` | avatars, maps and props, and which of them anybody may see |
  | `Sekai.Interactions` | who visited or liked what, written once |
  | `Sekai.Recommendations` | what a user is shown: from a worker, or stored, or popular |
  | `Sekai.Models` | model versions and the trainings that made them |
  | `Sekai.Recommender` | the workers, wherever they run |
  | `Sekai.Monitor` | how long answers took in the last minute, and what the workers do: for the page |

  `Sekai.Jobs` are Oban's, `Sekai.Streams` Membrane's, `Sekai.Runners` FLAME's.
  """
end
