defmodule PortWorker.Fleet.Scaling do
  @moduledoc false
  # When a fleet grows and shrinks, and by how much. Plain data that is told the time.
  #
  # The load is the number of calls in flight, smoothed, so that neither a burst nor a lull of a moment counts. A worker is
  # well used at `grow_at` of its capacity. Where that takes more workers than there are, for `grow_after`, there will be as
  # many, but no more than twice as many at a time: a load that nobody answers says too much. Where it would take fewer even
  # at half of `grow_at`, for `idle_shutdown_after`, the others go. In between, nothing changes.

  @smoothing_ms 1_000

  @enforce_keys [:min, :max, :capacity, :grow_at, :grow_after, :idle_shutdown_after]
  defstruct @enforce_keys ++ [:at, :busy_since, :idle_since, load: 0.0]

  @type t :: %__MODULE__{
          min: pos_integer(),
          max: pos_integer(),
          capacity: pos_integer(),
          grow_at: float(),
          grow_after: non_neg_integer(),
          idle_shutdown_after: non_neg_integer(),
          at: integer() | nil,
          busy_since: integer() | nil,
          idle_since: integer() | nil,
          load: float()
        }

  @typedoc "What there is: leases that are to stay, those of them whose worker is ready, and their calls."
  @type seen :: %{leases: non_neg_integer(), ready: non_neg_integer(), in_flight: non_neg_integer()}

  @type decision :: :stay | {:grow, pos_integer()} | {:shrink, pos_integer()}

  @doc "Says what is to be done at a time, in milliseconds, of which each has to be later than the one before."
  @spec decide(t(), integer(), seen()) :: {decision(), t()}
  def decide(scaling, now, seen) do
    scaling = scaling |> smooth(now, seen.in_flight) |> hold(now, seen)

    cond do
      seen.leases < scaling.min ->
        {{:grow, scaling.min - seen.leases}, rest(scaling)}

      held?(scaling.busy_since, scaling.grow_after, now) ->
        {{:grow, more(scaling, seen.leases) - seen.leases}, rest(scaling)}

      held?(scaling.idle_since, scaling.idle_shutdown_after, now) ->
        {{:shrink, seen.leases - fewer(scaling)}, rest(scaling)}

      true ->
        {:stay, scaling}
    end
  end

  @doc "The smoothed load as a share of what so many workers can have in flight; of none, nothing."
  @spec utilisation(t(), non_neg_integer()) :: float()
  def utilisation(_scaling, 0), do: 0.0
  def utilisation(scaling, ready), do: scaling.load / (scaling.capacity * ready)

  defp smooth(%{at: nil} = scaling, now, in_flight), do: %{scaling | at: now, load: in_flight / 1}

  defp smooth(scaling, now, in_flight) do
    weight = 1 - :math.exp((scaling.at - now) / @smoothing_ms)
    %{scaling | at: now, load: scaling.load + weight * (in_flight - scaling.load)}
  end

  # Those that are to come may be enough: it is seen when they are there.
  defp hold(scaling, now, %{leases: leases, ready: ready}) do
    busy? = ready == leases and more(scaling, leases) > leases
    idle? = ready > 0 and fewer(scaling) < leases

    %{
      scaling
      | busy_since: since(scaling.busy_since, busy?, now),
        idle_since: since(scaling.idle_since, idle?, now)
    }
  end

  defp since(_since, false, _now), do: nil
  defp since(since, true, now), do: since || now

  defp held?(nil, _long_enough, _now), do: false
  defp held?(since, long_enough, now), do: now - since >= long_enough

  defp rest(scaling), do: %{scaling | busy_since: nil, idle_since: nil}

  defp more(scaling, leases), do: scaling |> needed(scaling.grow_at) |> min(2 * leases) |> min(scaling.max)
  defp fewer(scaling), do: scaling |> needed(scaling.grow_at / 2) |> max(scaling.min)
  defp needed(scaling, share), do: ceil(scaling.load / (scaling.capacity * share))
end
