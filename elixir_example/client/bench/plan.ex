defmodule PortWorker.Bench.Plan do
  @moduledoc """
  What a run is to do, as `port_worker/bench/beam/plan.py` writes it: one External Term Format term in a file.

  `asks` are cycled through: call number k makes ask number k modulo their count, of worker number k modulo theirs.
  An open loop has `dues`, nanoseconds from the start in ascending order, one a call; a closed one has `closed`.
  """

  alias PortWorker.Bench.Ask

  @enforce_keys [:workers, :asks, :dues, :closed, :grace_ms, :boot_ms]
  defstruct @enforce_keys

  @type t :: %__MODULE__{
          workers: [keyword()],
          asks: tuple(),
          dues: binary() | nil,
          closed: closed() | nil,
          grace_ms: non_neg_integer(),
          boot_ms: pos_integer()
        }

  @typedoc "So many callers, each with one call at a time, until `duration_ns` or `capacity` calls."
  @type closed :: %{in_flight: pos_integer(), duration_ns: pos_integer(), capacity: pos_integer()}

  @doc "Reads a plan; a file that is none raises."
  @spec read!(Path.t()) :: t()
  def read!(path), do: path |> File.read!() |> decode!()

  @doc """
  Decodes a plan. The only atoms in it are ops and names of arguments, which the protocol's own list holds; others raise.
  """
  @spec decode!(binary()) :: t()
  def decode!(binary) do
    :ok = PortWorker.Atoms.load()
    plan = :erlang.binary_to_term(binary, [:safe])
    timeout = plan["deadline_ms"] || :infinity

    %__MODULE__{
      workers: Enum.map(plan["workers"], &worker(&1, plan["boot_ms"])),
      asks: plan["asks"] |> Enum.map(&Ask.new(&1, timeout)) |> List.to_tuple(),
      dues: plan["dues_ns"],
      closed: closed(plan["closed"]),
      grace_ms: plan["grace_ms"],
      boot_ms: plan["boot_ms"]
    }
  end

  @doc "How many calls there are, or may be at most."
  @spec calls(t()) :: non_neg_integer()
  def calls(%{closed: nil, dues: dues}), do: div(byte_size(dues), 8)
  def calls(%{closed: %{capacity: capacity}}), do: capacity

  # The client's own limit of calls in flight is lifted, and no call waits in it: the worker's limits are what is
  # measured. A worker that is killed again and again boots at once.
  defp worker(%{"command" => [command | args], "env" => env}, boot_ms) do
    [command: command, args: args, env: Map.to_list(env), boot_timeout: boot_ms] ++
      [max_in_flight: 1_000_000, max_queue: 0, backoff_max: 0]
  end

  defp closed(nil), do: nil

  defp closed(%{"in_flight" => in_flight, "duration_ns" => duration, "capacity" => capacity}),
    do: %{in_flight: in_flight, duration_ns: duration, capacity: capacity}
end
