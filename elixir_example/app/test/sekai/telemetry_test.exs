defmodule Sekai.TelemetryTest do
  use ExUnit.Case, async: true

  alias Sekai.Telemetry

  test "what is measured is of an event that there is" do
    known = Telemetry.events() ++ PortWorker.Telemetry.events()

    for %{event_name: [library, _what | _more] = event} <- Telemetry.metrics(),
        library in [:sekai, :port_worker] do
      assert event in known or match?([:sekai, :repo, :query], event)
    end
  end

  test "what this application emits is documented" do
    {:docs_v1, _, _, _, %{"en" => text}, _, _} = Code.fetch_docs(Telemetry)
    for event <- Telemetry.events(), hd(tl(event)) != :runners, do: assert(text =~ "`#{inspect(event)}`")
  end

  test "fallbacks are counted where there are any" do
    metric = Enum.find(Telemetry.metrics(), &(&1.name == [:sekai, :recommendations, :fallbacks, :count]))
    assert metric.keep.(%{fallback: :no_model})
    refute metric.keep.(%{fallback: nil})
  end
end
