defmodule PortWorker.Lease.Options do
  @moduledoc false
  # The options of `PortWorker.Lease.start_link/1`. What concerns the place where the worker runs is checked there.

  @own [:name, :placement, :place_timeout, :lost_after, :backoff_min, :backoff_max]
  # What a fleet adds: its name, and the place that the lease has in it.
  @internal [:fleet]
  @defaults [fleet: nil, place_timeout: 60_000, lost_after: 5_000, backoff_min: 100, backoff_max: 5_000]

  @enforce_keys @own ++ @internal ++ [:worker, :shutdown, :max_queue]
  defstruct @enforce_keys

  @type t :: %__MODULE__{
          name: atom(),
          placement: {module(), config :: term()},
          place_timeout: pos_integer(),
          lost_after: pos_integer() | :infinity,
          backoff_min: pos_integer(),
          backoff_max: pos_integer(),
          fleet: {atom(), pos_integer()} | nil,
          worker: keyword(),
          shutdown: pos_integer(),
          max_queue: non_neg_integer()
        }

  @spec validate!(keyword()) :: t()
  def validate!(options) do
    if not Keyword.keyword?(options),
      do: fail!("expected options to be a keyword list, got: #{inspect(options)}")

    {own, worker} = @defaults |> Keyword.merge(options) |> Keyword.split(@own ++ @internal)
    for key <- @own, do: check!(key, own[key])
    {module, placement} = own[:placement]
    # Raises where an option is mistaken that does not depend on the place.
    here = worker |> Keyword.drop([:command, :cd]) |> Keyword.put(:command, "/bin/sh")
    %{shutdown: shutdown} = PortWorker.child_spec(here)
    %{max_queue: max_queue} = PortWorker.Options.validate!(here)

    struct!(
      __MODULE__,
      [worker: worker, shutdown: shutdown, max_queue: max_queue] ++
        Keyword.put(own, :placement, {module, module.validate!(placement)})
    )
  end

  defp check!(key, value) do
    if not valid?(key, value),
      do: fail!("expected #{inspect(key)} to be #{expected(key)}, got: #{inspect(value)}")
  end

  defp valid?(:name, value), do: is_atom(value) and value != nil

  defp valid?(:placement, {module, options}),
    do: is_atom(module) and Keyword.keyword?(options) and Code.ensure_loaded?(module) and exports?(module)

  defp valid?(:placement, _other), do: false
  defp valid?(:lost_after, :infinity), do: true
  defp valid?(_milliseconds, value), do: is_integer(value) and value > 0

  defp exports?(module),
    do: function_exported?(module, :validate!, 1) and function_exported?(module, :place, 3)

  defp expected(:name), do: "an atom"
  defp expected(:placement), do: "a module that is a PortWorker.Lease.Placement, with its options"
  defp expected(:lost_after), do: "a positive integer (milliseconds) or :infinity"
  defp expected(_milliseconds), do: "a positive integer (milliseconds)"

  @spec fail!(String.t()) :: no_return()
  defp fail!(message), do: raise(ArgumentError, message)
end
