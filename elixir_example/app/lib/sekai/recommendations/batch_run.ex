defmodule Sekai.Recommendations.BatchRun do
  @moduledoc """
  How far the lists of all users are made with one version of the model: up to the user `cursor`, `users` of them.

  A page of lists and the cursor beyond it are written in one transaction, so whoever goes on after a crash does none twice
  and leaves none out.
  """

  use Sekai.Schema

  import Ecto.Query

  alias Sekai.{Recommendations, Repo, Transaction}
  alias Sekai.Models.ModelVersion

  @type t :: %__MODULE__{}

  @states [:running, :succeeded, :superseded]

  schema "batch_runs" do
    field :job_id, :integer
    field :model_version, :string
    field :state, Ecto.Enum, values: @states, default: :running
    field :cursor, :binary_id
    field :users, :integer, default: 0
    field :finished_at, :utc_datetime_usec
    timestamps()
  end

  @doc "The run of a job: the one that is there, where the job is run again."
  @spec open(integer(), String.t()) :: {:ok, t()}
  def open(job_id, version) do
    row = %__MODULE__{job_id: job_id, model_version: version}

    Transaction.run(
      fn ->
        with {:ok, _row} <- Repo.insert(row, on_conflict: :nothing, conflict_target: :job_id),
             do: {:ok, Repo.get_by!(__MODULE__, job_id: job_id)}
      end,
      name: :open_batch_run
    )
  end

  @doc """
  Stores the lists of the users after the cursor, of whom `last` is the last, and moves the cursor there.

  Nothing is stored where somebody else has moved it: then the run as they left it is the answer. Where another version of
  the model serves by now, it is `{:error, :superseded}`; that version can't come between, since its row is held.
  """
  @spec store(t(), [map()], Ecto.UUID.t()) :: {:ok, t()} | {:error, :superseded}
  def store(%__MODULE__{} = run, rows, last) do
    Transaction.run(
      fn ->
        with :ok <- hold(run.model_version) do
          if move(run, last, length(rows)) == 1, do: {:ok, _count} = Recommendations.store(rows)
          {:ok, Repo.get!(__MODULE__, run.id)}
        end
      end,
      name: :store_batch
    )
  end

  defp hold(version) do
    serving =
      from m in ModelVersion, where: m.version == ^version and not is_nil(m.activated_at), lock: "FOR SHARE"

    if Repo.one(serving), do: :ok, else: {:error, :superseded}
  end

  # How many users it has is a fence: two that run the same job don't both store a page.
  defp move(run, last, count) do
    here = from r in __MODULE__, where: r.id == ^run.id and r.users == ^run.users
    changes = [cursor: last, users: run.users + count, updated_at: DateTime.utc_now()]
    elem(Repo.update_all(here, set: changes), 0)
  end

  @doc "Ends it: all users have their lists, or another version serves."
  @spec close(t(), :succeeded | :superseded) :: {:ok, t()}
  def close(%__MODULE__{} = run, state) do
    changeset = Ecto.Changeset.change(run, state: state, finished_at: DateTime.utc_now())
    Transaction.run(fn -> Repo.update(changeset) end, name: :close_batch_run)
  end
end
