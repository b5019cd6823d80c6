defmodule Sekai.Jobs.StreamWorker do
  @moduledoc """
  Recommendations for whoever did something since the last run: `Sekai.Streams.Pipeline`, as a job.

      Oban.insert(Sekai.Jobs.StreamWorker.new(%{}))

  Arguments, all of them optional:

    * `"stream"` - the name of the cursor that is followed and moved on (`"interactions"`)
    * `"since"`, `"until"` - times as of ISO 8601. With `"since"`, the cursor is neither followed nor moved. `"until"` is
      five seconds ago by default: interactions that are being written now are for the next run
    * `"limit"` - at most so many interactions
    * `"timeout_ms"` - after which the job is ended (half an hour)

  Whatever ends the job, be it a cancel, its timeout or a crash, ends the pipeline and its calls. What was stored by then
  stays, and the next attempt goes on from there; where it has been done already, it leaves the same. Two jobs of one
  stream do the same work twice, and no harm. An outage of the workers ends it as well, and is an error.

  Arguments that are not as said cancel the job, for they will not be better next time.
  """

  use Oban.Worker, queue: :streams, max_attempts: 5

  alias Sekai.Streams.Pipeline

  @settle_s 5
  @timeout_ms :timer.minutes(30)
  @arguments ~w(stream since until limit timeout_ms)

  @impl Oban.Worker
  def timeout(%Oban.Job{args: %{"timeout_ms" => timeout}}) when is_integer(timeout) and timeout > 0, do: timeout
  def timeout(_job), do: @timeout_ms

  @impl Oban.Worker
  def perform(%Oban.Job{args: args}) do
    case options(args) do
      {:ok, options} -> options |> Pipeline.run() |> answered()
      {:error, message} -> {:cancel, message}
    end
  end

  # The cursor has not moved: the next attempt does them all.
  defp answered({:ok, %{recommended: 0, dropped: dropped}}) when dropped > 0,
    do: {:error, "no worker answered for any of #{dropped} events"}

  defp answered(result), do: result

  @doc "The options of `Sekai.Streams.Pipeline.run/1` that these arguments mean."
  @spec options(map()) :: {:ok, keyword()} | {:error, String.t()}
  def options(args) do
    with :ok <- known(args),
         {:ok, stream} <- take(args, "stream", "interactions", &name/1),
         {:ok, since} <- take(args, "since", nil, &time/1),
         {:ok, until} <- take(args, "until", settled(), &time/1),
         {:ok, limit} <- take(args, "limit", nil, &count/1) do
      {:ok,
       [cursor: if(since, do: nil, else: stream), since: since, until: until, limit: limit, newest_only: true]}
    end
  end

  defp known(args) do
    case Map.keys(args) -- @arguments do
      [] -> :ok
      [name | _] -> {:error, "expected the arguments #{Enum.join(@arguments, ", ")}, got: #{inspect(name)}"}
    end
  end

  defp take(args, name, default, parse) do
    case args[name] do
      nil -> {:ok, default}
      value -> with {:error, expected} <- parse.(value), do: {:error, mistake(name, expected, value)}
    end
  end

  defp mistake(name, expected, value),
    do: "expected #{inspect(name)} to be #{expected}, got: #{inspect(value)}"

  defp name(name) when is_binary(name) and name != "", do: {:ok, name}
  defp name(_other), do: {:error, "a name"}

  defp time(text) when is_binary(text) do
    case DateTime.from_iso8601(text) do
      {:ok, time, _offset} -> {:ok, time}
      {:error, _why} -> {:error, "a time as of ISO 8601"}
    end
  end

  defp time(_other), do: {:error, "a time as of ISO 8601"}

  defp count(count) when is_integer(count) and count > 0, do: {:ok, count}
  defp count(_other), do: {:error, "a positive integer"}

  defp settled, do: DateTime.add(DateTime.utc_now(), -@settle_s, :second)
end
