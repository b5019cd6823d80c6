defmodule PortWorker.DoctestTest do
  use ExUnit.Case, async: true

  doctest PortWorker
  doctest PortWorker.Atoms
  doctest PortWorker.Backoff
  doctest PortWorker.Columns
  doctest PortWorker.Error
  doctest PortWorker.Flood
  doctest PortWorker.Protocol
  doctest PortWorker.Telemetry

  test "what is public is documented, and says its types" do
    for module <- documented() do
      {:docs_v1, _, _, _, %{"en" => _about}, _, entries} = Code.fetch_docs(module)
      {:ok, specs} = Code.Typespec.fetch_specs(module)

      for {{kind, name, arity}, _, _, doc, _} <- entries, doc != :hidden do
        what = "#{kind} #{inspect(module)}.#{name}/#{arity}"
        assert is_map(doc), "#{what} has no doc"

        # That of `use GenServer` has none.
        if kind == :function and name != :child_spec,
          do: assert(List.keymember?(specs, {name, arity}, 0), "#{what} has no spec")
      end
    end
  end

  defp documented do
    {:ok, modules} = :application.get_key(:port_worker, :modules)

    for module <- modules,
        module.module_info(:compile)[:source] |> to_string() |> String.contains?("/client/lib/"),
        not function_exported?(module, :__impl__, 1),
        not match?({:docs_v1, _, _, _, :hidden, _, _}, Code.fetch_docs(module)),
        do: module
  end
end
