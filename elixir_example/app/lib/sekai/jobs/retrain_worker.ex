defmodule Sekai.Jobs.RetrainWorker do
  @moduledoc """
  Trains a model, and has it serve if it is good enough. One at a time: a partial unique index of the jobs' table sees to it.

      {:ok, run} = Sekai.Jobs.RetrainWorker.request(%{"algorithm" => "ALS", "params" => %{"embed_size" => 32}})
      :ok = Sekai.Jobs.RetrainWorker.cancel(run.id)

  What becomes of it is in the run, and told to who has called `Sekai.Models.subscribe/0`.
  """

  use Oban.Worker, queue: :retrain, max_attempts: 5

  import Ecto.Query

  alias Sekai.Jobs.RetrainArgs
  alias Sekai.Models
  alias Sekai.Models.RetrainRun

  @unfinished Enum.map(Oban.Job.unique_states(:incomplete), &to_string/1)

  @doc """
  Asks for a training; the arguments are those of `Sekai.Jobs.RetrainArgs`.

  Where one is asked for already, or runs, that is the answer. A mistake in the arguments is told by its field.
  """
  @spec request(map()) ::
          {:ok, RetrainRun.t()} | {:error, {:running, RetrainRun.t()} | Ecto.Changeset.t(RetrainArgs.t())}
  def request(asked) do
    with {:ok, args} <- RetrainArgs.parse(asked), do: insert(RetrainArgs.to_job(args))
  end

  # The job first: it opens its run itself, should this process not come to it.
  defp insert(args) do
    case args |> new() |> Oban.insert() do
      {:ok, %{id: nil}} -> running(args)
      {:ok, job} -> open_run(job)
    end
  end

  defp running(args) do
    case unfinished() do
      # It has just ended.
      nil -> insert(args)
      job -> with {:ok, run} <- open_run(job), do: {:error, {:running, run}}
    end
  end

  defp unfinished do
    jobs =
      from(job in Oban.Job, where: job.worker == ^inspect(__MODULE__) and job.state in @unfinished, limit: 1)

    jobs |> Oban.all_jobs() |> List.first()
  end

  defp open_run(%Oban.Job{id: id, args: args}),
    do: Models.open_run(%{job_id: id, algorithm: args["algorithm"], params: args["params"]})

  @doc "Gives a training up, whether it waits or runs. One that has ended is left as it is."
  @spec cancel(Ecto.UUID.t()) :: :ok | {:error, :not_found}
  def cancel(run_id) do
    case Models.get_run(run_id) do
      nil ->
        {:error, :not_found}

      run ->
        :ok = Oban.cancel_job(run.job_id)
        {:ok, _run} = Models.close_run(run, %{state: :cancelled})
        :ok
    end
  end

  @impl Oban.Worker
  def perform(_job), do: {:cancel, :unsupported}
end
