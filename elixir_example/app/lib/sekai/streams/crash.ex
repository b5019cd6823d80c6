defmodule Sekai.Streams.Crash do
  @moduledoc "Why a pipeline ended before its stream did; `reason` is that of its exit."

  defexception [:reason]

  @type t :: %__MODULE__{reason: term()}

  @impl true
  def message(%__MODULE__{reason: {:membrane_child_crash, child, reason}}),
    do: "#{inspect(child)} ended the pipeline: #{describe(reason)}"

  def message(%__MODULE__{reason: reason}), do: "the pipeline ended: #{describe(reason)}"

  defp describe({:shutdown, {:failing, error}}), do: "too many failures, the last: #{Exception.message(error)}"
  defp describe(reason), do: Exception.format_exit(reason)
end
