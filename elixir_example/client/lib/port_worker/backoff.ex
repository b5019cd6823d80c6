defmodule PortWorker.Backoff do
  @moduledoc false
  # How long a worker that was started again waits before it boots.
  #
  # A supervisor starts at once, and gives up after a few times: a worker that cannot boot would take it down within a
  # second. So the connection starts at once, but waits before it spawns the worker, the longer the more lives in a row
  # were short. Such a count has to outlive the connection, and is of one child of one supervisor: it is an atomic that
  # `PortWorker.child_spec/1` puts into the child's specification, which a supervisor keeps as long as the child.
  #
  # The first life and the second boot at once, so that a worker that was killed is back as soon as it can be. The third
  # waits `min`, and each one after it five times as long, up to `max`. With a second for `min` the third and the fourth
  # wait for six together, so no more than three restarts come within five seconds, which is what supervisors permit
  # unless they are told otherwise. (They count whole seconds, so five and a bit would be within five.)

  @lives 1

  @type t :: :atomics.atomics_ref()

  @doc "A count for one child."
  @spec new() :: t()
  def new, do: :atomics.new(1, [])

  @doc "Begins a life. Returns how long it is to wait, in milliseconds."
  @spec begin_life(t() | nil, {non_neg_integer(), non_neg_integer()}) :: non_neg_integer()
  def begin_life(nil, _range), do: 0
  def begin_life(count, range), do: count |> add() |> delay(range)

  @doc "The worker has been well for long enough: its end will count as the first one."
  @spec settle(t() | nil) :: :ok
  def settle(nil), do: :ok

  def settle(count) do
    :atomics.put(count, @lives, 0)
  rescue
    # As below.
    ArgumentError -> :ok
  end

  @doc """
  The wait before life number `life` of a row.

      iex> for life <- 1..7, do: PortWorker.Backoff.delay(life, {1_000, 30_000})
      [0, 0, 1_000, 5_000, 25_000, 30_000, 30_000]
  """
  @spec delay(pos_integer(), {non_neg_integer(), non_neg_integer()}) :: non_neg_integer()
  def delay(life, _range) when life <= 2, do: 0
  # Past 5^10 every range is at its end.
  def delay(life, {min, max}), do: min(max, min * 5 ** min(life - 3, 10))

  defp add(count) do
    :atomics.add_get(count, @lives, 1)
  rescue
    # A specification that was sent to another node: its atomic did not come along.
    ArgumentError -> 1
  end
end
