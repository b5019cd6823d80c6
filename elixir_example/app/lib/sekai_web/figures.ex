defmodule SekaiWeb.Figures do
  @moduledoc "Numbers and times as people read them."

  @doc """
  Milliseconds; a dash for none.

      iex> Enum.map([nil, 0.84, 12.4, 1_234.0], &SekaiWeb.Figures.ms/1)
      ["–", "0.8 ms", "12 ms", "1,234 ms"]
  """
  @spec ms(float() | nil) :: String.t()
  def ms(nil), do: "–"
  def ms(ms) when ms < 9.95, do: "#{Float.round(ms / 1, 1)} ms"
  def ms(ms), do: "#{count(round(ms))} ms"

  @doc """
  A whole number, in groups of three digits.

      iex> Enum.map([7, 131_093], &SekaiWeb.Figures.count/1)
      ["7", "131,093"]
  """
  @spec count(non_neg_integer()) :: String.t()
  def count(number), do: number |> Integer.to_string() |> String.replace(~r/(?<=\d)(?=(\d{3})+$)/, ",")

  @doc """
  A share of one, as percent.

      iex> Enum.map([0, 0.0001, 0.004, 0.5, 1.0], &SekaiWeb.Figures.percent/1)
      ["0%", "0%", "0.4%", "50%", "100%"]
  """
  @spec percent(number()) :: String.t()
  def percent(share) when share >= 0.0005 and share < 0.0095, do: "#{Float.round(share * 100, 1)}%"
  def percent(share), do: "#{round(share * 100)}%"

  @doc """
  A measure or a score, to three decimals.

      iex> Enum.map([0.12345, 3, nil], &SekaiWeb.Figures.measure/1)
      ["0.123", "3.000", "–"]
  """
  @spec measure(number() | nil) :: String.t()
  def measure(nil), do: "–"
  def measure(number), do: :erlang.float_to_binary(number / 1, decimals: 3)

  @doc """
  How long ago something was.

      iex> SekaiWeb.Figures.ago(~U[2026-01-01 00:00:00Z], ~U[2026-01-01 02:59:00Z])
      "2 h ago"
  """
  @spec ago(DateTime.t(), DateTime.t()) :: String.t()
  def ago(at, now) do
    case DateTime.diff(now, at) do
      s when s < 45 -> "just now"
      s when s < 3_600 -> "#{max(div(s, 60), 1)} min ago"
      s when s < 86_400 -> "#{div(s, 3_600)} h ago"
      s when s < 30 * 86_400 -> "#{div(s, 86_400)} d ago"
      _long -> Calendar.strftime(at, "%-d %b %Y")
    end
  end
end
