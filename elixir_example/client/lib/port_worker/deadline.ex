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

  defp now, do: System.monotonic_time(:millisecond)
end
