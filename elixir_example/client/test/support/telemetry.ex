defmodule :telemetry do
  @moduledoc "A stand-in for the library of this name, which is no dependency: it sends events to whoever attached."

  @handlers {__MODULE__, :handlers}

  def attach_many(id, events, function, config) do
    if Map.has_key?(handlers(), id) do
      {:error, :already_exists}
    else
      :persistent_term.put(@handlers, Map.put(handlers(), id, {events, function, config}))
    end
  end

  def detach(id) do
    case Map.pop(handlers(), id) do
      {nil, _others} -> {:error, :not_found}
      {_handler, others} -> :persistent_term.put(@handlers, others)
    end
  end

  def execute(event, measurements, metadata) do
    for {_id, {events, function, config}} <- handlers(), event in events do
      function.(event, measurements, metadata, config)
    end

    :ok
  end

  defp handlers, do: :persistent_term.get(@handlers, %{})
end
