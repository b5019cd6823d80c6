defmodule SekaiWeb.Sparkline do
  @moduledoc "The last minute's answers as bars, one a second: how long 95 of 100 took at most."

  use SekaiWeb, :html

  alias Sekai.Monitor.Window
  alias SekaiWeb.Figures

  @height 40
  # Below this, differences are of no account, and are not to look as if they were.
  @least_top_ms 20.0

  attr :latency, :map, required: true, doc: "as of `t:Sekai.Monitor.Window.t/0`"

  @doc "The bars, on a scale of their own that is written beside them."
  @spec sparkline(map()) :: Phoenix.LiveView.Rendered.t()
  def sparkline(assigns) do
    top = top(assigns.latency.seconds)
    assigns = assign(assigns, top: top, width: Window.seconds() * 4, height: @height)

    ~H"""
    <figure class="sparkline">
      <svg
        viewBox={"0 0 #{@width} #{@height}"}
        preserveAspectRatio="none"
        role="img"
        aria-label={"The slowest of each of the last #{Window.seconds()} seconds, up to #{Figures.ms(@top)}"}
      >
        <rect
          :for={{second, index} <- Enum.with_index(@latency.seconds)}
          class={second && second.worst}
          x={index * 4}
          width="3"
          y={@height - height(second, @top)}
          height={height(second, @top)}
        />
      </svg>
      <figcaption>
        <span>{Window.seconds()} s ago</span><span>up to {Figures.ms(@top)}</span><span>now</span>
      </figcaption>
    </figure>
    """
  end

  defp top(seconds), do: for(%{slow: slow} <- seconds, reduce: @least_top_ms, do: (top -> max(top, slow)))

  defp height(nil, _top), do: 1
  defp height(%{slow: slow}, top), do: Float.round(max(@height * slow / top, 3.0), 1)
end
