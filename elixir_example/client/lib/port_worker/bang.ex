defmodule PortWorker.Bang do
  @moduledoc false
  # Defines the twin of a call that raises.

  @doc """
  Defines `name!`, which takes what `name` takes, options last, and returns what stands in its `{:ok, result}`.

      defbang models(server :: server(), options :: keyword()) :: map()
  """
  defmacro defbang({:"::", _, [{name, _, typed}, returned]}) do
    {names, types} = typed |> Enum.map(fn {:"::", _, [name, type]} -> {name, type} end) |> Enum.unzip()
    {required, [options]} = Enum.split(names, -1)
    bang = :"#{name}!"
    about = "As `#{name}/#{length(names)}`, but returns the result, or raises the `PortWorker.Error`."

    quote do
      @doc unquote(about)
      @spec unquote(bang)(unquote_splicing(types)) :: unquote(returned)
      def unquote(bang)(unquote_splicing(required), unquote(options) \\ []),
        do: PortWorker.Bang.unwrap!(unquote(name)(unquote_splicing(names)))
    end
  end

  @doc "The result, or an exception."
  @spec unwrap!({:ok, value} | {:error, Exception.t()}) :: value when value: term()
  def unwrap!({:ok, value}), do: value
  def unwrap!({:error, error}), do: raise(error)
end
