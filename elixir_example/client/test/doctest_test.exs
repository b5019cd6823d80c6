defmodule PortWorker.DoctestTest do
  use ExUnit.Case, async: true

  doctest PortWorker
  doctest PortWorker.Atoms
  doctest PortWorker.Columns
  doctest PortWorker.Error
  doctest PortWorker.Protocol
end
