defmodule SekaiWeb.ApiSpecTest do
  use SekaiWeb.ConnCase, async: true

  alias OpenApiSpex.{Operation, Schema}
  alias SekaiWeb.{ApiSpec, Router}

  defp operations do
    for {path, item} <- ApiSpec.spec().paths,
        {verb, %Operation{} = operation} <- Map.from_struct(item),
        do: {{verb, path}, operation}
  end

  defp routes do
    for %{verb: verb, path: path, plug: plug} <- Router.__routes__(), controller?(plug, path) do
      {verb, Regex.replace(~r/:(\w+)/, path, "{\\1}")}
    end
  end

  # Pages are no part of the API.
  defp controller?(plug, path),
    do:
      String.starts_with?(path, "/api") or
        (Code.ensure_loaded?(plug) and function_exported?(plug, :open_api_operation, 1))

  test "every route is described, and what is described is a route" do
    assert length(routes()) >= 11
    assert Enum.sort(routes()) == operations() |> Enum.map(&elem(&1, 0)) |> Enum.sort()
  end

  test "an operation names the parameters of its path, itself, and its errors" do
    for {{_verb, path}, operation} <- operations() do
      in_path = for [_all, name] <- Regex.scan(~r/{(\w+)}/, path), do: String.to_atom(name)
      assert in_path == for(%{in: :path, name: name, required: true} <- operation.parameters, do: name)
      assert operation.summary
      assert Map.has_key?(operation.responses, 400)
    end

    ids = Enum.map(operations(), fn {_route, operation} -> operation.operationId end)
    assert ids == Enum.uniq(ids)
  end

  test "what needs a token says so, and nothing else does" do
    for {{_verb, path}, operation} <- operations() do
      open = path in ["/healthz", "/readyz", "/api/openapi"]
      assert operation.security == if(open, do: nil, else: [%{"bearer" => []}])
      assert Map.has_key?(operation.responses, 401) == not open
    end
  end

  test "no schema takes what it does not name", %{conn: _conn} do
    for {title, %Schema{type: :object} = schema} <- ApiSpec.spec().components.schemas,
        do: assert(schema.additionalProperties == false, "#{title} takes anything")
  end

  test "it is served as JSON, complete", %{conn: conn} do
    answer = conn |> get("/api/openapi") |> described(200)
    assert answer["openapi"] =~ ~r/^3\./
    assert Enum.sort(Map.keys(answer["paths"])) == ApiSpec.spec().paths |> Map.keys() |> Enum.sort()
    refs = for [_all, ref] <- Regex.scan(~r/"#\/components\/schemas\/(\w+)"/, Jason.encode!(answer)), do: ref
    assert refs != []
    assert Enum.uniq(refs) -- Map.keys(answer["components"]["schemas"]) == []
  end
end
