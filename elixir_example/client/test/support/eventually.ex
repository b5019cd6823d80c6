defmodule PortWorker.Eventually do
  @moduledoc "Waiting for what another process does in its own time."

  @poll_ms 10

  @doc """
  The first value of `check` that is neither `false` nor `nil`, or its last one after some 20 seconds.

  The bound is generous: it only decides how long a failure takes.
  """
  def eventually(check, tries \\ 2_000) do
    value = check.()

    if value in [false, nil] and tries > 0 do
      Process.sleep(@poll_ms)
      eventually(check, tries - 1)
    else
      value
    end
  end
end
