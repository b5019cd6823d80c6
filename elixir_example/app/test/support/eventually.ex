defmodule Sekai.Eventually do
  @moduledoc "Waits for what another process does."

  import ExUnit.Assertions, only: [flunk: 1]

  @every_ms 10

  @doc "What `check` returns once that is neither nil nor false; fails the test after `timeout` milliseconds."
  @spec eventually((-> as_boolean(value)), timeout()) :: value when value: term()
  def eventually(check, timeout \\ 30_000), do: poll(check, System.monotonic_time(:millisecond) + timeout)

  defp poll(check, until) do
    cond do
      found = check.() -> found
      System.monotonic_time(:millisecond) > until -> flunk("it has not come to be in time")
      true -> Process.sleep(@every_ms) && poll(check, until)
    end
  end
end
