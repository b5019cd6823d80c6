defmodule PortWorker.Deadline do
  @moduledoc false
  # When a call that is made in several steps has to be over.

  @type t :: integer() | :infinity

  @doc "The time that is `timeout` ms from now."
  @spec new(timeout()) :: t()
  def new(:infinity), do: :infinity
  def new(timeout), do: now() + timeout

  @doc "The milliseconds that are left, a timeout in turn; 0 if it is past."
  @spec left(t()) :: timeout()
  def left(:infinity), do: :infinity
  def left(deadline), do: max(deadline - now(), 0)

  @doc "The timeout itself; raises where it is none."
  @spec check!(term()) :: timeout()
  def check!(timeout) when timeout == :infinity or (is_integer(timeout) and timeout >= 0), do: timeout

  def check!(other),
    do: raise(ArgumentError, "expected a timeout in milliseconds or :infinity, got: #{inspect(other)}")

  defp now, do: System.monotonic_time(:millisecond)
end
