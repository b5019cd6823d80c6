defmodule Sekai.Jobs.BatchRecommendWorker do
  @moduledoc """
  Makes a list for every user with the version of the model that serves, and stores it: what a user is shown while the
  workers are away.

  Users are taken by their ids, a page at a time: their lists are asked for in one call, and stored with the page's end in
  one transaction before the next page is asked for. So no more than one page is ever on its way, the workers' other callers
  come between, and whoever goes on after a crash begins where the last page ended. Users who come meanwhile may be left
  out until the next time.

  A job is for one version: where another one serves midway, it ends, and that version's own job, which its promotion has
  asked for, begins anew. Without a version, as cron has it, it asks for a job for the version that serves.

  `config :sekai, Sekai.Jobs.BatchRecommendWorker` has how many users a page has and how many items a list has.
  """

  use Oban.Worker, queue: :batch, max_attempts: 20

  import Ecto.Query

  alias PortWorker.{Columns, Error}
  alias Sekai.Accounts.User
  alias Sekai.Jobs.Away
  alias Sekai.{Models, Recommender, Repo}
  alias Sekai.Recommendations.BatchRun

  @away_s 5
  @ready_timeout_ms 5_000
  @call_timeout_ms 60_000

  @doc "Asks for the lists of all users, made with this version. One that is asked for already will do."
  @spec request(String.t()) :: {:ok, Oban.Job.t()} | {:error, :running}
  def request(version) do
    case %{"version" => version} |> new() |> Oban.insert() do
      {:ok, %{id: nil}} -> {:error, :running}
      {:ok, job} -> {:ok, job}
    end
  end

  @impl Oban.Worker
  def timeout(_job), do: :timer.hours(6)

  @impl Oban.Worker
  def backoff(%Oban.Job{attempt: attempt}), do: min(5 * attempt, 60)

  @impl Oban.Worker
  def perform(%Oban.Job{args: %{"version" => version}, id: id}),
    do: Away.snooze(fn -> id |> work(version) |> outcome() end, @away_s)

  def perform(_from_cron) do
    with %{version: version} <- Models.active(), do: request(version)
    :ok
  end

  defp work(job_id, version) do
    with {:ok, _facts} <- await_worker(),
         {:ok, run} <- BatchRun.open(job_id, version) do
      case pages(run) do
        {:error, :superseded} -> BatchRun.close(run, :superseded)
        {:ok, run} -> BatchRun.close(run, :succeeded)
        other -> other
      end
    end
  end

  defp await_worker do
    with {:error, error} <- PortWorker.await_ready(Recommender, @ready_timeout_ms), do: {:away, error}
  end

  defp pages(run) do
    case users_after(run.cursor) do
      [] -> serving(run)
      ids -> with {:ok, run} <- page(run, ids), do: pages(run)
    end
  end

  # Also where there was nothing left to store.
  defp serving(run) do
    if match?(%{version: version} when version == run.model_version, Models.active()),
      do: {:ok, run},
      else: {:error, :superseded}
  end

  defp users_after(nil), do: Repo.all(users())
  defp users_after(cursor), do: Repo.all(from user in users(), where: user.id > ^cursor)

  defp users, do: from(user in User, order_by: user.id, limit: ^setting(:page), select: user.id)

  defp page(run, ids) do
    started = System.monotonic_time()

    with {:ok, found} <- ask(ids, run.model_version),
         {:ok, run} <- store(run, rows(ids, found), List.last(ids)) do
      measured = %{users: length(ids), duration: System.monotonic_time() - started}
      :telemetry.execute([:sekai, :batch, :page], measured, %{version: run.model_version})
      {:ok, run}
    end
  end

  # Where a user has gone meanwhile, the page is another next time.
  defp store(run, rows, last) do
    BatchRun.store(run, rows, last)
  rescue
    error in Postgrex.Error ->
      if error.postgres.code == :foreign_key_violation,
        do: {:away, :a_user},
        else: reraise(error, __STACKTRACE__)
  end

  defp ask(ids, version) do
    options = [n: setting(:n), timeout: @call_timeout_ms]

    case PortWorker.recommend_many(Recommender, Columns.from_ids(ids), options) do
      {:ok, %{model: ^version} = found} -> {:ok, found}
      {:ok, %{model: other}} -> other_model(version, other)
      {:error, error} -> {:error, error}
    end
  end

  # Where the database says so, too, it is the next one; else the workers are on their way to this one.
  defp other_model(version, other) do
    if match?(%{version: ^version}, Models.active()), do: {:away, {:serves, other}}, else: {:error, :superseded}
  end

  defp rows(ids, found) do
    for {id, %{items: items, source: source}} <- Enum.zip(ids, Columns.users(found)) do
      {item_ids, scores} = Enum.unzip(items)

      %{user_id: id, item_ids: item_ids, scores: scores, source: to_string(source), model_version: found.model}
    end
  end

  defp outcome({:ok, %{state: :succeeded}}), do: :ok
  defp outcome({:ok, %{state: :superseded}}), do: {:cancel, "another version serves"}
  defp outcome({:away, _why}), do: {:snooze, @away_s}

  # A worker that goes away in the middle may have gone because of this: that takes an attempt.
  defp outcome({:error, %Error{retryable?: true} = error}), do: {:error, error}
  defp outcome({:error, error}), do: {:cancel, error}

  defp setting(key), do: Keyword.fetch!(Application.fetch_env!(:sekai, __MODULE__), key)
end
