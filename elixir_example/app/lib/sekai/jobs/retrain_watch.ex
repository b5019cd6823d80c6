defmodule Sekai.Jobs.RetrainWatch do
  @moduledoc """
  Follows a training until it ends: its progress goes into the run, and from there to who has subscribed.

  Looked at twice a second, and written where another phase has begun or a hundredth more is done: a short training makes a
  few rows' updates, and the longest some hundred. A run that was cancelled, by a node from which no signal comes here,
  is seen there, too, and its training given up.
  """

  alias PortWorker.{Error, Training}
  alias Sekai.Jobs.Away
  alias Sekai.Models
  alias Sekai.Models.RetrainRun

  @look_ms 500
  @least_share 0.01

  @typedoc "The training's answer, and the run with the latest progress: `phase` is nil where none has come."
  @type watched :: {PortWorker.result(map()), RetrainRun.t()}

  @doc """
  Trains, with the options of `PortWorker.retrain_async/2`; after `timeout` milliseconds it is given up.
  """
  @spec train(RetrainRun.t(), keyword(), timeout :: pos_integer()) :: watched()
  def train(%RetrainRun{} = run, options, timeout) do
    ref = make_ref()
    # A reference of its own: what has come before the answer is to be read after it, too.
    training = PortWorker.retrain_async(Sekai.Recommender, [on_progress: {self(), ref}] ++ options)
    follow(training, ref, run, now() + timeout)
  end

  defp follow(training, ref, run, until) do
    answer = Training.yield(training, @look_ms)
    progress = latest(ref, nil)

    cond do
      answer != nil -> {answer, seen(run, progress)}
      now() > until -> {Training.await(training, 0), run}
      cancelled?(run) -> {give_up(training), run}
      true -> follow(training, ref, seen(run, progress), until)
    end
  end

  defp latest(ref, progress) do
    receive do
      {^ref, {:progress, progress}} -> latest(ref, progress)
    after
      0 -> progress
    end
  end

  defp seen(run, nil), do: run

  defp seen(run, %{phase: phase, share: share}) do
    phase = to_string(phase)

    if phase != run.phase or share >= run.share + @least_share,
      do: write(run, %{phase: phase, share: share / 1}),
      else: run
  end

  # While the database is away the training goes on, and is told of later.
  defp write(run, progress) do
    {:ok, run} = Models.update_run(run, progress)
    run
  rescue
    error -> if Away.database?(error), do: Map.merge(run, progress), else: reraise(error, __STACKTRACE__)
  end

  defp cancelled?(run) do
    match?(%{state: :cancelled}, Models.get_run(run.id))
  rescue
    error -> if Away.database?(error), do: false, else: reraise(error, __STACKTRACE__)
  end

  defp give_up(training) do
    :ok = PortWorker.cancel(training)
    _answer = Training.await(training, 10_000)
    {:error, Error.new(:cancelled, "the run was cancelled")}
  end

  defp now, do: System.monotonic_time(:millisecond)
end
