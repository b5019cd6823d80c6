defmodule Sekai.Eventually do
  @moduledoc "Waiting for what comes to be."

  import ExUnit.Assertions, only: [flunk: 1]

  @doc "Waits until `fun` answers something, which is the answer."
  @spec eventually((-> as_boolean(value)), pos_integer()) :: value when value: term()
  def eventually(fun, timeout \\ 10_000), do: poll(fun, System.monotonic_time(:millisecond) + timeout)

  defp poll(fun, until) do
    found = fun.()

    cond do
      found ->
        found

      System.monotonic_time(:millisecond) > until ->
        flunk("it did not come to be in time")

      true ->
        Process.sleep(20)
        poll(fun, until)
    end
  end
end
