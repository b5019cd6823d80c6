defmodule SekaiWeb.Versions do
  @moduledoc "The versions of the model, what they are worth, and the button that has one serve."

  use SekaiWeb, :html

  import SekaiWeb.Components

  alias Sekai.Models.ModelVersion
  alias SekaiWeb.Figures

  attr :version, ModelVersion, required: true

  @doc "The version that serves."
  @spec serving(map()) :: Phoenix.LiveView.Rendered.t()
  def serving(assigns) do
    ~H"""
    <div class="serving" id="serving">
      <p>
        <.badge tone="good">serving</.badge>
        <strong>{@version.algorithm}</strong>
        <span class="muted">promoted <.ago at={@version.activated_at} /></span>
      </p>
      <code>{@version.version}</code>
      <dl class="figures">
        <div>
          <dt>NDCG</dt><dd>{Figures.measure(measured(@version, "ndcg"))}</dd>
        </div>
        <div>
          <dt>popular</dt><dd>{Figures.measure(measured(@version, "ndcg", "popularity"))}</dd>
        </div>
        <div>
          <dt>recall</dt><dd>{Figures.measure(measured(@version, "recall"))}</dd>
        </div>
        <div>
          <dt>coverage</dt><dd>{share(measured(@version, "coverage"))}</dd>
        </div>
      </dl>
    </div>
    """
  end

  attr :versions, :list, required: true
  attr :admin?, :boolean, required: true
  attr :promoting, :string, required: true, doc: "the version that is being promoted, or nil"

  @doc "All versions, newest first."
  @spec table(map()) :: Phoenix.LiveView.Rendered.t()
  def table(assigns) do
    ~H"""
    <table class="versions" id="versions">
      <thead>
        <tr>
          <th scope="col">Version</th>
          <th scope="col" class="number" title="Of the first places of each ranking, against held-out items">
            NDCG
          </th>
          <th scope="col"><span class="sr-only">Promote</span></th>
        </tr>
      </thead>
      <tbody>
        <tr :for={version <- @versions} id={"version-#{version.version}"}>
          <th scope="row">
            {version.algorithm} <span class="muted"><.ago at={version.trained_at} /></span>
            <code>{version.version}</code>
          </th>
          <td class="number">{Figures.measure(measured(version, "ndcg"))}</td>
          <td class="action">
            <.badge :if={version.activated_at} tone="good">serving</.badge>
            <button
              :if={!version.activated_at}
              class="button small"
              phx-click="promote"
              phx-value-version={version.version}
              disabled={!@admin? or @promoting != nil}
              aria-label={"Promote #{version.version}"}
              aria-describedby={!@admin? && "administrators"}
            >
              {if @promoting == version.version, do: "Loading…", else: "Promote"}
            </button>
          </td>
        </tr>
      </tbody>
    </table>
    """
  end

  defp measured(%{metrics: metrics}, name, of \\ "candidate"),
    do: with(%{^of => %{^name => value}} <- metrics, do: value, else: (_ -> nil))

  defp share(nil), do: Figures.measure(nil)
  defp share(share), do: Figures.percent(share)
end
