defmodule PortWorker.Flood do
  @moduledoc false
  # How much a worker may say unasked: events, progress, and answers to calls that are over. A Port does not hold its
  # worker back, so what is not taken quickly enough would fill the connection's mailbox. A real worker says some of it
  # a second; one that says thousands is broken, and is ended before its host is.

  @window_ms 1_000
  @frames 5_000
  @logs 20
  @many 500
  @bytes 64 * 1_048_576

  defstruct since: 0, frames: 0, bytes: 0, logs: 0

  @type t :: %__MODULE__{
          since: integer(),
          frames: non_neg_integer(),
          bytes: non_neg_integer(),
          logs: non_neg_integer()
        }

  @doc "Whether so few were logged within the second that one more may be."
  @spec log?(t()) :: boolean()
  def log?(flood), do: flood.logs < @logs

  @doc "Counts one that was logged."
  @spec logged(t()) :: t()
  def logged(flood), do: %{flood | logs: flood.logs + 1}

  @doc "Whether there are so many within the second that a long queue of messages is their fault."
  @spec many?(t()) :: boolean()
  def many?(flood), do: flood.frames > @many

  @doc """
  Counts a frame that came at `now`, in milliseconds.

      iex> {:ok, flood} = PortWorker.Flood.count(%PortWorker.Flood{}, 1_000_000, 0)
      iex> match?({:ok, _}, PortWorker.Flood.count(flood, 50_000_000, 999))
      true
      iex> PortWorker.Flood.count(flood, 70_000_000, 999)
      {:error, "2 frames of 71000000 bytes within a second that no call waits for"}
      iex> match?({:ok, _}, PortWorker.Flood.count(flood, 67_000_000, 1_000))
      true
  """
  @spec count(t(), non_neg_integer(), integer()) :: {:ok, t()} | {:error, String.t()}
  def count(%__MODULE__{since: since}, bytes, now) when now - since >= @window_ms,
    do: count(%__MODULE__{since: now}, bytes, now)

  def count(flood, bytes, _now) do
    flood = %{flood | frames: flood.frames + 1, bytes: flood.bytes + bytes}

    if flood.frames > @frames or flood.bytes > @bytes,
      do: {:error, "#{flood.frames} frames of #{flood.bytes} bytes within a second that no call waits for"},
      else: {:ok, flood}
  end
end
