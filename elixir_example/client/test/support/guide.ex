defmodule PortWorker.Guide do
  @moduledoc "A guide's text, and what it says of this library."

  @folder Path.expand("../../guides", __DIR__)

  @doc "The names of all guides."
  def all, do: @folder |> Path.join("*.md") |> Path.wildcard() |> Enum.map(&Path.basename/1)

  def read(name), do: @folder |> Path.join(name) |> File.read!()

  @doc "What stands between the fences of a language."
  def blocks(text, language \\ "elixir") do
    for [_all, block] <- Regex.scan(~r/^```#{language}\n(.*?)^```$/ms, text), do: block
  end

  @doc "The one block that has `part` in it."
  def block!(text, part, language \\ "elixir") do
    [block] = text |> blocks(language) |> Enum.filter(&String.contains?(&1, part))
    block
  end

  @doc "What is set as code within the prose."
  def inline(text) do
    prose = Regex.replace(~r/^```.*?^```$/ms, text, "")
    for [_all, code] <- Regex.scan(~r/`([^`]+)`/, prose), do: code
  end

  @doc "The calls of this library in some code, with pipes undone, as `{module, function, arguments}`."
  def calls(ast) do
    collect(Macro.prewalk(ast, &unpipe/1), fn
      {{:., _, [{:__aliases__, _, [:PortWorker | _] = name}, function]}, _, arguments} ->
        {Module.concat(name), function, arguments}

      _other ->
        nil
    end)
  end

  @doc "Modules of this library with options: children of a supervisor, and placements."
  def children(ast) do
    collect(ast, fn
      {{:__aliases__, _, [:PortWorker | _] = name}, options} -> {Module.concat(name), keys(options)}
      _other -> nil
    end)
  end

  @doc "The keys of options of `MyApp.Recommender` in a configuration."
  def configured(ast) do
    collect(ast, fn
      {:config, _, [:my_app, {:__aliases__, _, [:MyApp, :Recommender]}, options]} -> keys(options)
      _other -> nil
    end)
  end

  @doc "The fields of this library's structs that some code names, as `{module, keys}`."
  def structs(ast) do
    collect(ast, fn
      {:%, _, [{:__aliases__, _, [:PortWorker | _] = name}, {:%{}, _, fields}]} ->
        {Module.concat(name), keys(fields)}

      _other ->
        nil
    end)
  end

  @doc "The keys of literal options, in code."
  def keys({:++, _, [left, right]}), do: keys(left) ++ keys(right)
  def keys([{key, _value} | rest]) when is_atom(key), do: [key | keys(rest)]
  def keys(_other), do: []

  defp unpipe({:|>, _, [left, {_, _, arguments} = right]}) when is_list(arguments),
    do: Macro.pipe(left, right, 0)

  defp unpipe(other), do: other

  defp collect(ast, fun) do
    {_ast, found} = Macro.prewalk(ast, [], fn node, found -> {node, [fun.(node) | found]} end)
    found |> Enum.reject(&is_nil/1) |> Enum.reverse()
  end
end
