defmodule SekaiWeb.Training do
  @moduledoc "Trainings: the form to ask for one, how far the latest is, and those before it."

  use SekaiWeb, :html

  import SekaiWeb.Components

  alias Sekai.Jobs.RetrainArgs

  @phases %{
    "extract" => "reading interactions",
    "prepare" => "preparing",
    "fit" => "fitting",
    "evaluate" => "evaluating",
    "final_fit" => "fitting on all data",
    "export" => "writing",
    "load" => "loading"
  }

  attr :running, :map, required: true, doc: "the training that has not ended, or nil"
  attr :first?, :boolean, required: true, doc: "whether there is no model yet"
  attr :admin?, :boolean, required: true
  attr :asking?, :boolean, required: true

  @doc "The form to ask for a training."
  @spec form(map()) :: Phoenix.LiveView.Rendered.t()
  def form(assigns) do
    ~H"""
    <form class="retrain" phx-submit="retrain" id="retrain">
      <label for="algorithm">Algorithm</label>
      <select id="algorithm" name="algorithm" disabled={!@admin?}>
        <option :for={name <- RetrainArgs.algorithms()} value={name} selected={name == "ALS"}>{name}</option>
      </select>
      <button
        class={["button", @first? && "primary"]}
        disabled={!@admin? or @running != nil or @asking?}
        aria-describedby={!@admin? && "administrators"}
      >
        {if @first?, do: "Train the first model", else: "Retrain"}
      </button>
    </form>
    """
  end

  attr :run, :map, required: true, doc: "the latest, or nil"
  attr :admin?, :boolean, required: true

  @doc "How far the latest training is, or how it ended. As high in each state."
  @spec latest(map()) :: Phoenix.LiveView.Rendered.t()
  def latest(assigns) do
    ~H"""
    <div class="latest" id="latest-run">
      <p :if={@run == nil} class="muted">No training yet.</p>
      <div :if={@run} class="run">
        <p class="run-line">
          <.state run={@run} /> <span class="name">{@run.algorithm}</span>
          <span class="muted">{doing(@run)}</span>
          <button
            :if={unfinished?(@run)}
            class="button small"
            phx-click="cancel"
            phx-value-id={@run.id}
            disabled={!@admin?}
            aria-describedby={!@admin? && "administrators"}
          >Cancel</button>
        </p>
        <progress :if={unfinished?(@run)} max="100" value={done(@run)} aria-label="Progress of the training">
          {done(@run)}%
        </progress>
        <p :if={@run.reason} class="reason" title={@run.reason}>{@run.reason}</p>
      </div>
      <p class="sr-only" role="status">{@run && told(@run)}</p>
    </div>
    """
  end

  attr :runs, :list, required: true

  @doc "Trainings that have ended."
  @spec earlier(map()) :: Phoenix.LiveView.Rendered.t()
  def earlier(assigns) do
    ~H"""
    <details :if={@runs != []} id="earlier-runs">
      <summary>Earlier trainings</summary>
      <ul class="rows">
        <li :for={run <- @runs} class="run">
          <p class="run-line">
            <.state run={run} /> <span class="name">{run.algorithm}</span>
            <span class="muted">{doing(run)}</span>
          </p>
          <p :if={run.reason} class="reason" title={run.reason}>{run.reason}</p>
        </li>
      </ul>
    </details>
    """
  end

  @doc "Whether a training waits or runs."
  @spec unfinished?(Sekai.Models.RetrainRun.t()) :: boolean()
  def unfinished?(%{state: state}), do: state in [:waiting, :running]

  defp state(%{run: %{state: :waiting}} = assigns), do: ~H"<.badge>waiting</.badge>"
  defp state(%{run: %{state: :running}} = assigns), do: ~H|<.badge tone="busy">training</.badge>|
  defp state(%{run: %{state: :failed}} = assigns), do: ~H|<.badge tone="bad">failed</.badge>|
  defp state(%{run: %{state: :cancelled}} = assigns), do: ~H"<.badge>cancelled</.badge>"
  defp state(%{run: %{activated: false}} = assigns), do: ~H|<.badge tone="warn">held back</.badge>|
  defp state(assigns), do: ~H|<.badge tone="good">succeeded</.badge>|

  defp doing(%{state: :waiting, reason: nil}), do: "for its turn"
  defp doing(%{state: :waiting}), do: "to be tried again"
  defp doing(%{state: :running, phase: nil}), do: "about to begin"
  defp doing(%{state: :running} = run), do: "#{phase(run)}, #{done(run)}%"

  defp doing(%{started_at: %DateTime{} = from, finished_at: %DateTime{} = to}),
    do: "after #{max(DateTime.diff(to, from), 1)} s"

  defp doing(_ended), do: ""

  defp phase(run), do: Map.get(@phases, run.phase, run.phase)
  defp done(run), do: round(100 * run.share)

  # Read out where another phase begins, not with each hundredth.
  defp told(%{state: :waiting} = run), do: "The training of #{run.algorithm} waits."
  defp told(%{state: :running, phase: nil} = run), do: "The training of #{run.algorithm} begins."
  defp told(%{state: :running} = run), do: "The training of #{run.algorithm}: #{phase(run)}."
  defp told(run), do: "The training of #{run.algorithm} has #{ended(run.state)}."

  defp ended(:succeeded), do: "succeeded"
  defp ended(:failed), do: "failed"
  defp ended(:cancelled), do: "been cancelled"
end
