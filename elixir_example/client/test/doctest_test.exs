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
end
