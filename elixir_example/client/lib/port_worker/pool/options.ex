defmodule PortWorker.Pool.Options do
  @moduledoc false
  # The options of `PortWorker.Pool.start_link/1`, checked when a pool starts; those of its workers are left to
  # `PortWorker.child_spec/1`.

  @enforce_keys [:name, :workers, :max_restarts, :max_seconds, :worker]
  defstruct @enforce_keys

  @type t :: %__MODULE__{
          name: atom(),
          workers: pos_integer(),
          max_restarts: non_neg_integer(),
          max_seconds: pos_integer(),
          worker: keyword()
        }

  # Of each place, as many as a Supervisor's default allows its children together.
  @restarts_a_worker 3

  @spec validate!(keyword()) :: t()
  def validate!(options) do
    if not Keyword.keyword?(options),
      do: raise(ArgumentError, "expected options to be a keyword list, got: #{inspect(options)}")

    workers = check!(:workers, Keyword.get(options, :workers))

    {own, worker} =
      [max_restarts: @restarts_a_worker * workers, max_seconds: 5]
      |> Keyword.merge(options)
      |> Keyword.split([:name, :workers, :max_restarts, :max_seconds])

    check!(:name, own[:name])
    Enum.each(own, fn {key, value} -> check!(key, value) end)
    # Raises where the workers' own options are not as expected.
    _spec = PortWorker.child_spec(worker)
    struct!(__MODULE__, [worker: worker] ++ own)
  end

  defp check!(key, value) do
    if not valid?(key, value),
      do: raise(ArgumentError, "expected #{inspect(key)} to be #{expected(key)}, got: #{inspect(value)}")

    value
  end

  defp valid?(:name, value), do: is_atom(value) and value != nil
  defp valid?(:max_restarts, value), do: is_integer(value) and value >= 0
  defp valid?(_count, value), do: is_integer(value) and value > 0

  defp expected(:name), do: "an atom"
  defp expected(:max_restarts), do: "a non-negative integer"
  defp expected(_count), do: "a positive integer"
end
