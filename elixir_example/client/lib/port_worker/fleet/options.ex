defmodule PortWorker.Fleet.Options do
  @moduledoc false
  # The options of `PortWorker.Fleet.start_link/1`, checked when a fleet starts; those of its leases are left to
  # `PortWorker.Lease`.

  alias PortWorker.{Fleet.Scaling, Lease}

  @own [:name, :min, :max, :capacity, :grow_at, :grow_after, :idle_shutdown_after, :home]
  @defaults [min: 1, grow_at: 0.7, grow_after: 5_000, idle_shutdown_after: 30_000, home: :own]
  @default_in_flight 64

  @enforce_keys [:name, :home, :scaling, :lease]
  defstruct @enforce_keys

  @type t :: %__MODULE__{name: atom(), home: :own | :shared, scaling: Scaling.t(), lease: keyword()}

  @spec validate!(keyword()) :: t()
  def validate!(options) do
    if not Keyword.keyword?(options),
      do: raise(ArgumentError, "expected options to be a keyword list, got: #{inspect(options)}")

    in_flight = Keyword.get(options, :max_in_flight, @default_in_flight)

    {own, lease} =
      [capacity: in_flight] |> Keyword.merge(@defaults) |> Keyword.merge(options) |> Keyword.split(@own)

    # Raises where the leases' own options are not as expected.
    Lease.Options.validate!([name: own[:name]] ++ lease)
    for key <- @own, do: check!(key, own[key], own)

    {named, scaling} = Keyword.split(own, [:name, :home])
    struct!(__MODULE__, named ++ [scaling: struct!(Scaling, scaling), lease: lease])
  end

  @doc "The options of the lease that has a place in a fleet."
  @spec lease(t(), pos_integer()) :: keyword()
  def lease(options, slot),
    do: [name: lease_name(options.name, slot), fleet: {options.name, slot}] ++ options.lease

  @doc "The name of that lease."
  @spec lease_name(atom(), pos_integer()) :: atom()
  def lease_name(fleet, slot), do: Module.concat(fleet, "Lease#{slot}")

  defp check!(key, value, own) do
    if not valid?(key, value, own),
      do: raise(ArgumentError, "expected #{inspect(key)} to be #{expected(key)}, got: #{inspect(value)}")
  end

  defp valid?(:name, value, _own), do: is_atom(value) and value != nil
  defp valid?(:max, value, own), do: is_integer(value) and value >= own[:min]
  defp valid?(:grow_at, value, _own), do: is_number(value) and value > 0
  defp valid?(:home, value, _own), do: value in [:own, :shared]

  defp valid?(key, value, _own) when key in [:grow_after, :idle_shutdown_after],
    do: is_integer(value) and value >= 0

  defp valid?(_count, value, _own), do: is_integer(value) and value > 0

  defp expected(:name), do: "an atom"
  defp expected(:max), do: "an integer not below :min"
  defp expected(:grow_at), do: "a number above 0"
  defp expected(:home), do: ":own or :shared"

  defp expected(key) when key in [:grow_after, :idle_shutdown_after],
    do: "a non-negative integer (milliseconds)"

  defp expected(_count), do: "a positive integer"
end
