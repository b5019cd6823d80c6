defmodule Sekai.Streams.Options do
  @moduledoc false
  # What elements are given is checked when they start: a mistake is to be seen before the first buffer.

  @spec check!(atom(), term(), atom() | {:one_of, [term()]} | {:function, arity()}) :: :ok
  def check!(_name, value, :positive) when is_integer(value) and value > 0, do: :ok
  def check!(_name, :infinity, :positive_or_infinity), do: :ok
  def check!(_name, value, :positive_or_infinity) when is_integer(value) and value > 0, do: :ok
  def check!(_name, value, {:function, arity}) when is_function(value, arity), do: :ok
  def check!(_name, nil, :name), do: :ok
  def check!(_name, value, :name) when is_binary(value) and value != "", do: :ok

  def check!(name, value, {:one_of, values} = expected),
    do: if(value in values, do: :ok, else: fail!(name, value, expected))

  def check!(name, value, :keyword),
    do: if(Keyword.keyword?(value), do: :ok, else: fail!(name, value, :keyword))

  def check!(name, value, :enumerable),
    do: if(Enumerable.impl_for(value), do: :ok, else: fail!(name, value, :enumerable))

  def check!(name, value, expected), do: fail!(name, value, expected)

  @spec fail!(atom(), term(), term()) :: no_return()
  defp fail!(name, value, expected),
    do: raise(ArgumentError, "expected #{inspect(name)} to be #{say(expected)}, got: #{inspect(value)}")

  defp say(:positive), do: "a positive integer"
  defp say(:positive_or_infinity), do: "a positive integer or :infinity"
  defp say({:function, arity}), do: "a function of #{arity} arguments"
  defp say(:name), do: "a name or nil"
  defp say(:keyword), do: "a keyword list"
  defp say(:enumerable), do: "an enumerable of Sekai.Streams.Event"
  defp say({:one_of, values}), do: Enum.map_join(values, " or ", &inspect/1)
end
