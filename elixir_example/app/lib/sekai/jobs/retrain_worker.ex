defmodule Sekai.Jobs.RetrainWorker do
  @moduledoc """
  Trains a model, and has it serve if it is good enough. One at a time: a partial unique index of the jobs' table sees to it.

      {:ok, run} = Sekai.Jobs.RetrainWorker.request(%{"algorithm" => "ALS", "params" => %{"embed_size" => 32}})
      :ok = Sekai.Jobs.RetrainWorker.cancel(run.id)

  What becomes of it is in the run, and told to who has called `Sekai.Models.subscribe/0`.

  Whatever is interrupted is done again, and ends the same: the version is in the run before it is promoted, so what has
  been trained is not trained again, and promoting twice is as once. While the worker or the database is away the job
  sleeps. What fails otherwise is tried five times if it may succeed then, and not again if it can't.
  """

  use Oban.Worker, queue: :retrain, max_attempts: 5

  import Ecto.Query

  alias PortWorker.Error
  alias Sekai.Jobs.{Away, RetrainArgs, RetrainWatch}
  alias Sekai.Models
  alias Sekai.Models.RetrainRun

  @unfinished Enum.map(Oban.Job.unique_states(:incomplete), &to_string/1)
  @away_s 10
  @timeout_ms :timer.hours(2)
  # What is left of it for all but the training.
  @rest_ms :timer.minutes(10)

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

  defp open_run(%Oban.Job{id: id, args: args}) do
    Models.open_run(%{job_id: id, algorithm: args["algorithm"] || "ALS", params: args["params"] || %{}})
  end

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

  @doc """
  Ends the runs whose jobs have ended without a word: killed with their node in their last attempt, past their timeout, or
  cancelled or deleted by other means than `cancel/1`. Returns how many there were.
  """
  @spec settle() :: non_neg_integer()
  def settle do
    settled =
      for run <- Models.open_runs(), {state, reason} <- [outcome(run.job_id)], state != nil do
        Models.close_run(run, %{state: state, reason: reason})
      end

    length(settled)
  end

  defp outcome(job_id) do
    case Oban.all_jobs(from job in Oban.Job, where: job.id == ^job_id) do
      [] -> {:failed, "its job is gone"}
      [%{state: "cancelled"}] -> {:cancelled, nil}
      [%{state: state} = job] when state in ~w(discarded completed) -> {:failed, last_error(job)}
      [_unfinished] -> {nil, nil}
    end
  end

  defp last_error(%{errors: []}), do: "it was interrupted in its last attempt"
  defp last_error(%{errors: errors}), do: List.last(errors)["error"]

  @impl Oban.Worker
  def timeout(_job), do: @timeout_ms

  @impl Oban.Worker
  def backoff(%Oban.Job{attempt: attempt}), do: min(30 * attempt, 600)

  @impl Oban.Worker
  def perform(job), do: Away.snooze(fn -> work(job) end, @away_s)

  defp work(job) do
    with {:ok, run} <- open_run(job) do
      case run do
        %{state: :succeeded} -> :ok
        %{version: nil} -> train(run, job)
        %{version: _trained} -> promote(run, job)
      end
    end
  end

  defp train(run, job) do
    case RetrainArgs.parse(job.args) do
      {:ok, args} ->
        begin(run, RetrainArgs.to_options(args), job)

      {:error, changeset} ->
        fail(run, "its arguments are wrong: #{inspect(changeset.errors)}", {:cancel, changeset.errors})
    end
  end

  defp begin(run, options, job) do
    began = %{
      state: :running,
      started_at: DateTime.utc_now(),
      finished_at: nil,
      phase: nil,
      share: 0.0,
      reason: nil
    }

    {:ok, run} = Models.update_run(run, began)

    case RetrainWatch.train(run, options, @timeout_ms - @rest_ms) do
      {{:ok, model}, run} -> run |> record(model) |> promote(job)
      {{:error, error}, run} -> refused(error, run, job)
    end
  end

  # The worker has the model, so this waits for the database rather than train another.
  defp record(run, model) do
    Away.patiently(fn ->
      {:ok, _version} = Models.put_version(version(model, run))
      changes = %{version: model.version, activated: model.activated, reason: model.reason, share: 1.0}
      {:ok, run} = Models.update_run(run, changes)
      run
    end)
  end

  defp version(model, run) do
    %{
      version: model.version,
      algorithm: model.algorithm,
      metrics: metrics(model),
      data_until: data_until(model.version) || run.started_at,
      trained_at: DateTime.utc_now()
    }
  end

  # `evaluation` is nil where there was nothing to measure it by.
  defp metrics(model), do: Map.take(model, [:rows, :users, :items, :duration_ms, :evaluation])

  # The manifest has the time of the newest interaction that the model has learnt, where there is any.
  defp data_until(version) do
    with {:ok, %{versions: versions}} <- PortWorker.models(Sekai.Recommender),
         %{facts: %{"learnt_until" => seconds}} when is_integer(seconds) <-
           Enum.find(versions, &(&1.version == version)) do
      seconds |> DateTime.from_unix!() |> DateTime.add(0, :microsecond)
    else
      _unknown -> nil
    end
  end

  # Not good enough: the version is there to be looked at, and the one before serves on.
  defp promote(%{activated: false} = run, _job), do: succeed(run)

  # The worker that has trained it serves it already; this has the others follow, and the database know.
  defp promote(run, job) do
    case Models.promote(run.version) do
      {:ok, _version} -> succeed(run)
      {:error, :not_found} -> train_again(run)
      {:error, %Error{code: :unknown_version}} -> train_again(run)
      {:error, error} -> refused(error, run, job)
    end
  end

  defp train_again(run) do
    {:ok, _run} = Models.update_run(run, %{version: nil, activated: nil})
    {:snooze, 1}
  end

  defp succeed(run) do
    {:ok, _run} = Models.close_run(run, %{state: :succeeded, reason: run.reason, share: 1.0})
    :ok
  end

  defp refused(error, run, job) do
    message = Exception.message(error)

    cond do
      Away.worker?(error) and not training?(run) -> later(run, message, {:snooze, @away_s})
      not error.retryable? or too_long?(error, run) -> fail(run, message, {:cancel, error})
      job.attempt >= job.max_attempts -> fail(run, message, {:error, error})
      true -> later(run, message, {:error, error})
    end
  end

  # A worker that goes away in the middle may have gone because of what it was doing: that takes an attempt.
  defp training?(run), do: run.phase != nil and run.version == nil

  # It would be as long another time.
  defp too_long?(error, run), do: error.code == :deadline_exceeded and training?(run)

  defp later(run, message, result) do
    {:ok, _run} = Models.update_run(run, %{state: :waiting, reason: message})
    result
  end

  defp fail(run, message, result) do
    {:ok, _run} = Models.close_run(run, %{state: :failed, reason: message})
    result
  end
end
