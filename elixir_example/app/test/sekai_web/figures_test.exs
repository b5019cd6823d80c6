defmodule SekaiWeb.FiguresTest do
  use ExUnit.Case, async: true

  alias SekaiWeb.Figures

  doctest Figures

  test "times are told in the unit that fits" do
    now = ~U[2026-06-15 12:00:00Z]
    ago = fn seconds -> now |> DateTime.add(-seconds) |> Figures.ago(now) end

    assert Enum.map([0, 50, 3_599, 3_600, 86_400, 40 * 86_400], ago) ==
             ["just now", "1 min ago", "59 min ago", "1 h ago", "1 d ago", "6 May 2026"]
  end
end
