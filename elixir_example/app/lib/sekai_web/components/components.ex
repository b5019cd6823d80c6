defmodule SekaiWeb.Components do
  @moduledoc "What several parts of the page are made of."

  use SekaiWeb, :html

  alias SekaiWeb.Figures

  attr :kind, :atom, values: [:info, :warn, :error], default: :info
  attr :rest, :global
  slot :inner_block, required: true

  @doc "Something to be told beside the contents. Errors are read out at once."
  @spec notice(map()) :: Phoenix.LiveView.Rendered.t()
  def notice(assigns) do
    ~H"""
    <div class={["notice", to_string(@kind)]} role={if @kind == :error, do: "alert", else: "status"} {@rest}>
      {render_slot(@inner_block)}
    </div>
    """
  end

  attr :tone, :string, default: "plain", values: ~w(plain good warn bad busy)
  slot :inner_block, required: true

  @doc "One or two words of state."
  @spec badge(map()) :: Phoenix.LiveView.Rendered.t()
  def badge(assigns) do
    ~H"""
    <span class={"badge #{@tone}"}>{render_slot(@inner_block)}</span>
    """
  end

  attr :at, DateTime, required: true

  @doc "When something was, as how long ago; the time itself on hovering."
  @spec ago(map()) :: Phoenix.LiveView.Rendered.t()
  def ago(assigns) do
    ~H"""
    <time datetime={DateTime.to_iso8601(@at)} title={Calendar.strftime(@at, "%Y-%m-%d %H:%M:%S UTC")}>{Figures.ago(
      @at,
      DateTime.utc_now()
    )}</time>
    """
  end

  attr :kind, :string, default: nil, doc: "as of `Sekai.Content.Item`; nil of an item that can't be shown"

  @doc "A sign for what an item is."
  @spec kind_sign(map()) :: Phoenix.LiveView.Rendered.t()
  def kind_sign(assigns) do
    ~H"""
    <svg class={"kind #{@kind}"} viewBox="0 0 24 24" aria-hidden="true">
      <path d={outline(@kind)} />
    </svg>
    """
  end

  defp outline("map"), do: "M3 19l6-10 4 6 3-4 5 8zM17 6.5a1.5 1.5 0 1 0 .01 0"
  defp outline("avatar"), do: "M12 4.5a3.5 3.5 0 1 0 .01 0M5 20c0-4 3-6.5 7-6.5s7 2.5 7 6.5"
  defp outline("prop"), do: "M12 3.5l7.5 4.2v8.6L12 20.5l-7.5-4.2V7.7zM4.5 7.7l7.5 4.3 7.5-4.3M12 12v8.5"
  defp outline(_none), do: "M5 12h14"

  attr :score, :float, required: true
  attr :top, :float, required: true, doc: "the best score of the list, at which the bar is full"
  attr :users?, :boolean, default: false, doc: "whether it is a number of users"

  @doc "A score, and how it compares with the best."
  @spec score(map()) :: Phoenix.LiveView.Rendered.t()
  def score(assigns) do
    ~H"""
    <span class="score">
      <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
        <rect class="track" width="100" height="4" /><rect class="fill" width={share(@score, @top)} height="4" />
      </svg>
      <span :if={@users?} class="number">{Figures.count(round(@score))} users</span>
      <span :if={!@users?} class="number"><span class="sr-only">score</span> {Figures.measure(@score)}</span>
    </span>
    """
  end

  defp share(_score, top) when top <= 0, do: 0
  defp share(score, top), do: Float.round(100 * max(min(score / top, 1.0), 0.0), 1)

  attr :rows, :integer, required: true

  @doc "As high as a list of so many rows, while that is on its way."
  @spec skeleton(map()) :: Phoenix.LiveView.Rendered.t()
  def skeleton(assigns) do
    ~H"""
    <ul class="rows skeleton" aria-hidden="true">
      <li :for={_row <- 1..@rows}><span></span></li>
    </ul>
    """
  end
end
