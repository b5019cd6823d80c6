defmodule Sekai.Models do
  @moduledoc """
  The versions of the model, and the trainings that made them.

  The models themselves are in the workers' store. What is here is what the database knows of them: which version serves,
  what it was worth, and until when its data reach.

  Progress and ends of trainings, and what was promoted, are broadcast on `topic/0` as `{:retrain_run, RetrainRun}` and
  `{:promoted, version}`.
  """

  import Ecto.Query

  require Logger

  alias Sekai.Jobs.BatchRecommendWorker
  alias Sekai.Models.{ModelVersion, RetrainRun}
  alias Sekai.{Repo, Transaction}

  @topic "models"

  @doc "The topic of `Sekai.PubSub`."
  @spec topic() :: String.t()
  def topic, do: @topic

  @doc "Subscribes the calling process."
  @spec subscribe() :: :ok | {:error, term()}
  def subscribe, do: Phoenix.PubSub.subscribe(Sekai.PubSub, @topic)

  @doc "All versions that are known, newest first."
  @spec list_versions() :: [ModelVersion.t()]
  def list_versions, do: Repo.all(from m in ModelVersion, order_by: [desc: m.trained_at, desc: m.version])

  @doc "The version that serves, or nil."
  @spec active() :: ModelVersion.t() | nil
  def active,
    do:
      Repo.one(
        from m in ModelVersion, where: not is_nil(m.activated_at), order_by: [desc: m.activated_at], limit: 1
      )

  @doc "Until when the data of the serving version reach, or nil where that is not known."
  @spec data_until() :: DateTime.t() | nil
  def data_until do
    Repo.one(
      from m in ModelVersion,
        where: not is_nil(m.activated_at),
        order_by: [desc: m.activated_at],
        limit: 1,
        select: m.data_until
    )
  end

  @doc "Writes down a version, or writes over what was known of it."
  @spec put_version(map()) :: {:ok, ModelVersion.t()} | {:error, Ecto.Changeset.t()}
  def put_version(%{version: _version} = attributes) do
    row = struct!(ModelVersion, attributes)
    replaced = [:algorithm, :metrics, :data_until, :trained_at, :updated_at]
    options = [on_conflict: {:replace, replaced}, conflict_target: :version, returning: true]
    Transaction.run(fn -> Repo.insert(row, options) end, name: :put_version)
  end

  @doc """
  Writes down that `version`, and no other, serves. Doing it twice leaves the first time.

  The workers are to serve it already: `promote/1` sees to both.
  """
  @spec mark_active(String.t()) :: {:ok, ModelVersion.t()} | {:error, :not_found}
  def mark_active(version) do
    result = Transaction.run(fn -> exchange(version) end, name: :mark_active)
    with {:ok, %ModelVersion{version: version}} <- result, do: broadcast({:promoted, version})
    result
  end

  defp exchange(version) do
    case Repo.get(ModelVersion, version) do
      nil ->
        {:error, :not_found}

      %{activated_at: nil} = found ->
        now = DateTime.utc_now()

        Repo.update_all(from(m in ModelVersion, where: not is_nil(m.activated_at)),
          set: [activated_at: nil, updated_at: now]
        )

        found |> Ecto.Changeset.change(activated_at: now) |> Repo.update()

      serving ->
        {:ok, serving}
    end
  end

  @doc """
  Has all workers serve `version`, writes that down, and asks for everybody's list of it. Doing it twice does no more than
  doing it once.

  Where the workers can't, this is their error, and the version before serves on.
  """
  @spec promote(String.t()) :: {:ok, ModelVersion.t()} | {:error, :not_found | PortWorker.Error.t()}
  def promote(version) do
    with %ModelVersion{} <- Repo.get(ModelVersion, version) || {:error, :not_found},
         {:ok, _answer} <- PortWorker.activate(Sekai.Recommender, version),
         {:ok, serving} <- mark_active(version) do
      ask_for_lists(version)
      {:ok, serving}
    end
  end

  # Where the jobs' database is away: it serves all the same, and at night the lists are asked for again.
  defp ask_for_lists(version) do
    BatchRecommendWorker.request(version)
  rescue
    error in [DBConnection.ConnectionError, Postgrex.Error] ->
      Logger.warning("nobody's list of #{version} could be asked for: #{Exception.message(error)}")
  end

  @doc "Trainings, newest first."
  @spec list_runs(pos_integer()) :: [RetrainRun.t()]
  def list_runs(limit \\ 20),
    do: Repo.all(from r in RetrainRun, order_by: [desc: r.inserted_at, desc: r.id], limit: ^limit)

  @doc "The training of an Oban job: the one that is there, where the job is run again."
  @spec open_run(map()) :: {:ok, RetrainRun.t()} | {:error, Ecto.Changeset.t()}
  def open_run(%{job_id: job_id} = attributes) do
    row = struct!(RetrainRun, attributes)

    opened =
      Transaction.run(
        fn ->
          with {:ok, _row} <- Repo.insert(row, on_conflict: :nothing, conflict_target: :job_id),
               do: {:ok, Repo.get_by!(RetrainRun, job_id: job_id)}
        end,
        name: :open_run
      )

    with {:ok, run} <- opened, do: told(run)
  end

  @doc "Changes what is known of a training, and tells who has subscribed."
  @spec update_run(RetrainRun.t(), map()) :: {:ok, RetrainRun.t()} | {:error, Ecto.Changeset.t()}
  def update_run(%RetrainRun{} = run, changes) do
    changeset = Ecto.Changeset.change(run, changes)
    with {:ok, run} <- Transaction.run(fn -> Repo.update(changeset) end, name: :update_run), do: told(run)
  end

  @doc "A training by its id, or nil: also where the id is no UUID."
  @spec get_run(String.t()) :: RetrainRun.t() | nil
  def get_run(id) do
    case Ecto.UUID.cast(id) do
      {:ok, id} -> Repo.get(RetrainRun, id)
      :error -> nil
    end
  end

  @doc "The trainings that have not ended."
  @spec open_runs() :: [RetrainRun.t()]
  def open_runs, do: Repo.all(from r in RetrainRun, where: r.state in [:waiting, :running])

  @doc "Writes down how a training ended, unless it has ended already: then that stays, and is the answer."
  @spec close_run(RetrainRun.t(), map()) :: {:ok, RetrainRun.t()}
  def close_run(%RetrainRun{id: id}, changes) do
    open = from r in RetrainRun, where: r.id == ^id and r.state in [:waiting, :running]
    now = DateTime.utc_now()
    changes = Map.merge(%{finished_at: now, updated_at: now}, changes)

    {:ok, count} =
      Transaction.run(fn -> {:ok, elem(Repo.update_all(open, set: Map.to_list(changes)), 0)} end,
        name: :close_run
      )

    run = Repo.get!(RetrainRun, id)
    if count == 1, do: told(run), else: {:ok, run}
  end

  defp told(run) do
    broadcast({:retrain_run, run})
    {:ok, run}
  end

  defp broadcast(message), do: Phoenix.PubSub.broadcast(Sekai.PubSub, @topic, message)
end
