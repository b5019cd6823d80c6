defmodule PortWorker.Bench.Samples do
  @moduledoc """
  What became of each call, in columns of 64-bit atomics: 32 bytes a call, written by the callers themselves.

  Nothing is summed up while the run lasts. Percentiles, phases and series are computed afterwards from the calls one by
  one, by the same code whichever driver made them.

  The outcome of a call is a number: 0 for one that was never sent, 1 for one without an answer, else one that is given
  out when an outcome is first met. `outcomes` says what each stands for.
  """

  @not_sent {:error, :not_sent}
  @no_answer {:error, :no_answer}

  # Places in the counters.
  @sent 1
  @ok 2
  @errors 3

  @enforce_keys [:size, :due, :lag, :latency, :outcome, :names, :counts]
  defstruct @enforce_keys

  @type t :: %__MODULE__{
          size: non_neg_integer(),
          due: :atomics.atomics_ref(),
          lag: :atomics.atomics_ref(),
          latency: :atomics.atomics_ref(),
          outcome: :atomics.atomics_ref(),
          names: :ets.table(),
          counts: :counters.counters_ref()
        }

  @doc "Room for so many calls, none of which has been made."
  @spec new(non_neg_integer()) :: t()
  def new(size) do
    [due, lag, latency, outcome] = for _column <- 1..4, do: :atomics.new(max(size, 1), signed: true)
    names = :ets.new(:outcomes, [:set, :public, read_concurrency: true])
    :ets.insert(names, [{@not_sent, 0}, {@no_answer, 1}, {:latest, 1}])

    %__MODULE__{
      size: size,
      due: due,
      lag: lag,
      latency: latency,
      outcome: outcome,
      names: names,
      counts: :counters.new(3, [:write_concurrency])
    }
  end

  @doc "Call number `k` was due at `due_ns` after the start, and is made `lag_ns` later."
  @spec sent(t(), non_neg_integer(), integer(), integer()) :: :ok
  def sent(samples, k, due_ns, lag_ns) do
    :atomics.put(samples.due, k + 1, due_ns)
    :atomics.put(samples.lag, k + 1, lag_ns)
    :atomics.put(samples.outcome, k + 1, 1)
    :counters.add(samples.counts, @sent, 1)
  end

  @doc "Call number `k` was answered `latency_ns` after it was due."
  @spec answered(t(), non_neg_integer(), integer(), PortWorker.result(term())) :: :ok
  def answered(samples, k, latency_ns, result) do
    :atomics.put(samples.latency, k + 1, latency_ns)
    :atomics.put(samples.outcome, k + 1, number(samples.names, name(result)))
    :counters.add(samples.counts, counter(result), 1)
  end

  @doc "How many calls were sent, answered well, and answered with an error."
  @spec counts(t()) :: %{sent: non_neg_integer(), ok: non_neg_integer(), errors: non_neg_integer()}
  def counts(%{counts: counts}) do
    %{
      sent: :counters.get(counts, @sent),
      ok: :counters.get(counts, @ok),
      errors: :counters.get(counts, @errors)
    }
  end

  @doc "The columns, little-endian, and what the numbers of outcomes stand for."
  @spec to_term(t()) :: %{String.t() => term()}
  def to_term(samples) do
    # Outcomes are read first: a call that is answered meanwhile has its latency before its outcome.
    outcome = column(samples.outcome, samples.size)

    %{
      "due_ns" => column(samples.due, samples.size),
      "lag_ns" => column(samples.lag, samples.size),
      "latency_ns" => column(samples.latency, samples.size),
      "outcome" => outcome,
      "outcomes" => outcomes(samples.names)
    }
  end

  defp column(_ref, 0), do: <<>>

  defp column(ref, size),
    do: for(place <- 1..size, into: <<>>, do: <<:atomics.get(ref, place)::signed-little-64>>)

  defp outcomes(names) do
    for {{verdict, name}, number} <- :ets.tab2list(names),
        do: [number, Atom.to_string(verdict), Atom.to_string(name)]
  end

  defp name({:ok, %{source: source}}), do: {:ok, source}
  defp name({:ok, _result}), do: {:ok, nil}
  defp name({:error, error}), do: {:error, error.code}

  defp counter({:ok, _result}), do: @ok
  defp counter({:error, _error}), do: @errors

  defp number(names, name) do
    case :ets.lookup(names, name) do
      [{^name, number}] -> number
      [] -> give_number(names, name)
    end
  end

  # Of two that meet a name at once, one is first; the number that the other took stays unused.
  defp give_number(names, name) do
    :ets.insert_new(names, {name, :ets.update_counter(names, :latest, 1)})
    number(names, name)
  end
end
