defmodule PortWorker.Bench.Ask do
  @moduledoc """
  One request, as a call of `PortWorker`'s public functions, so that what is measured is what an application would pay.
  """

  @positional %{
    ping: [],
    recommend: [:user],
    recommend_many: [:users],
    similar: [:item],
    score: [:user, :items],
    explain: [:user, :item]
  }

  @type t :: {op :: atom(), positional :: [term()], options :: keyword()}

  @doc """
  Prepares a request once for the many times that it is made.

      iex> PortWorker.Bench.Ask.new({:recommend, %{user: 42, n: 3}}, 500)
      {:recommend, [42], [timeout: 500, n: 3]}
  """
  @spec new({atom(), %{atom() => term()}}, timeout()) :: t()
  def new({op, args}, timeout) do
    names = Map.fetch!(@positional, op)
    {op, Enum.map(names, &Map.fetch!(args, &1)), [timeout: timeout] ++ Map.to_list(Map.drop(args, names))}
  end

  @doc "Makes the call in this process and waits for its answer."
  @spec run(PortWorker.server(), t()) :: PortWorker.result(term())
  def run(server, {op, positional, options}), do: apply(PortWorker, op, [server | positional] ++ [options])
end
