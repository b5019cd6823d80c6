defmodule SekaiWeb.OperationsLive do
  @moduledoc """
  Beside the page: the model's versions and trainings, how long answers take, and the workers.

  What changes something is for administrators, which is checked when it is asked for. Promoting waits for the workers, in
  a task; what goes on meanwhile is told by `Sekai.Models` and `Sekai.Monitor`.
  """

  use SekaiWeb, :live_view

  import SekaiWeb.Components

  alias Sekai.Jobs.{RetrainArgs, RetrainWorker}
  alias Sekai.{Models, Monitor, Recommender}
  alias SekaiWeb.{Figures, Training, Versions, Viewer}
  alias SekaiWeb.Sparkline

  on_mount SekaiWeb.Viewer

  @runs 6
  @versions 8
  @goal_ms 500

  @impl true
  def mount(_params, _session, socket) do
    if connected?(socket) do
      :ok = Models.subscribe()
      :ok = Monitor.subscribe()
    end

    socket = assign(socket, placement: Recommender.placement(), promoting: nil, asking?: false, error: nil)
    {:ok, socket |> monitored(Monitor.snapshot()) |> load_versions() |> assign(runs: Models.list_runs(@runs))}
  end

  defp load_versions(socket), do: assign(socket, versions: Models.list_versions())

  defp monitored(socket, snapshot), do: assign(socket, Map.take(snapshot, [:latency, :workers, :runners]))

  @impl true
  def handle_event(event, params, socket) do
    if Viewer.admin?(socket),
      do: act(event, params, assign(socket, error: nil)),
      else: {:noreply, assign(socket, viewer: Viewer.of_token(nil), error: "This is for administrators only.")}
  end

  defp act("retrain", %{"algorithm" => algorithm}, socket) do
    socket = assign(socket, asking?: true)
    {:noreply, start_async(socket, :retrain, fn -> RetrainWorker.request(%{"algorithm" => algorithm}) end)}
  end

  defp act("cancel", %{"id" => id}, socket),
    do: {:noreply, start_async(socket, :cancel, fn -> RetrainWorker.cancel(id) end)}

  defp act("promote", %{"version" => version}, socket) do
    socket = assign(socket, promoting: version)
    {:noreply, start_async(socket, :promote, fn -> Models.promote(version) end)}
  end

  @impl true
  def handle_async(name, result, socket),
    do: {:noreply, socket |> done(name) |> assign(error: error(name, result)) |> load_versions()}

  defp done(socket, :promote), do: assign(socket, promoting: nil)
  defp done(socket, :retrain), do: assign(socket, asking?: false)
  defp done(socket, :cancel), do: socket

  defp error(_name, {:ok, :ok}), do: nil
  defp error(_name, {:ok, {:ok, _done}}), do: nil
  defp error(:retrain, {:ok, {:error, {:running, _run}}}), do: "A training waits or runs already."

  defp error(:retrain, {:ok, {:error, %Ecto.Changeset{data: %RetrainArgs{}} = changeset}}),
    do: "The training is refused: #{mistakes(changeset)}."

  defp error(_name, {:ok, {:error, :not_found}}), do: "It is not there any more."

  defp error(:promote, {:ok, {:error, %PortWorker.Error{} = error}}),
    do: "The version can't be promoted, and the one before serves on: #{error.message} (#{error.code})."

  defp error(:promote, _failed), do: "The version could not be promoted: the database does not answer."
  defp error(_name, _failed), do: "That failed: the database does not answer."

  defp mistakes(changeset) do
    Enum.map_join(changeset.errors, "; ", fn {field, {message, _details}} -> "#{field} #{message}" end)
  end

  @impl true
  def handle_info({:monitor, snapshot}, socket), do: {:noreply, monitored(socket, snapshot)}
  def handle_info({:promoted, _version}, socket), do: {:noreply, load_versions(socket)}

  def handle_info({:retrain_run, run}, socket) do
    socket = assign(socket, runs: put_run(socket.assigns.runs, run))
    {:noreply, if(Training.unfinished?(run), do: socket, else: load_versions(socket))}
  end

  defp put_run(runs, run) do
    [run | Enum.reject(runs, &(&1.id == run.id))]
    |> Enum.sort_by(& &1.inserted_at, {:desc, DateTime})
    |> Enum.take(@runs)
  end

  @impl true
  def render(assigns) do
    assigns =
      assign(assigns,
        serving: Enum.find(assigns.versions, & &1.activated_at),
        running: Enum.find(assigns.runs, &Training.unfinished?/1)
      )

    ~H"""
    <section class="card" aria-labelledby="model">
      <h2 id="model">Model</h2>
      <Versions.serving :if={@serving} version={@serving} />
      <p :if={!@serving} class="empty">
        {if @versions == [],
          do: "There is no model yet: everybody gets what is popular.",
          else: "None of the versions serves: everybody gets what is popular."}
      </p>
      <.notice :if={@error} kind={:error} id="error">{@error}</.notice>
      <Training.form running={@running} first?={@versions == []} admin?={@viewer.admin?} asking?={@asking?} />
      <Training.latest run={@running || List.first(@runs)} admin?={@viewer.admin?} />
      <Training.earlier runs={earlier(@runs, @running)} />
      <.administrators viewer={@viewer} />
    </section>
    <section :if={@versions != []} class="card" aria-labelledby="versions-title">
      <h2 id="versions-title">Versions</h2>
      <Versions.table versions={shown(@versions)} admin?={@viewer.admin?} promoting={@promoting} />
    </section>
    <section class="card" aria-labelledby="answers">
      <h2 id="answers">Answers <span class="muted">of the last minute</span></h2>
      <.answers latency={@latency} />
    </section>
    <section class="card" aria-labelledby="workers">
      <h2 id="workers">Workers</h2>
      <.workers workers={@workers} placement={@placement} />
      <.runners :if={@runners} runners={@runners} />
    </section>
    """
  end

  # The newest, and the one that serves however old it is.
  defp shown(versions) do
    {newest, older} = Enum.split(versions, @versions)
    newest ++ Enum.filter(older, & &1.activated_at)
  end

  defp earlier(runs, running), do: runs |> List.delete(running || List.first(runs)) |> Enum.take(@runs - 1)

  defp administrators(%{viewer: %{admin?: true}} = assigns), do: ~H""

  defp administrators(%{viewer: %{user: nil}} = assigns) do
    ~H"""
    <p class="muted small" id="administrators">
      Training and promoting are for administrators: <a href={~p"/login"}>sign in</a>.
    </p>
    """
  end

  defp administrators(assigns) do
    ~H"""
    <p class="muted small" id="administrators">
      Training and promoting are for administrators, and {@viewer.user.display_name} is none.
    </p>
    """
  end

  defp answers(assigns) do
    assigns = assign(assigns, goal_ms: @goal_ms)

    ~H"""
    <Sparkline.sparkline latency={@latency} />
    <dl class="figures">
      <div>
        <dt>p50</dt><dd>{Figures.ms(@latency.p50)}</dd>
      </div>
      <div>
        <dt>p95</dt><dd>{Figures.ms(@latency.p95)}</dd>
      </div>
      <div class={@latency.p99 && @latency.p99 > @goal_ms && "over"} title={"The goal is #{@goal_ms} ms"}>
        <dt>p99</dt><dd>{Figures.ms(@latency.p99)}</dd>
      </div>
      <div>
        <dt>answers</dt><dd>{Figures.count(@latency.count)}</dd>
      </div>
    </dl>
    <p class="muted small">{without(@latency)}</p>
    """
  end

  defp without(%{count: 0}), do: "None were asked for."
  defp without(%{fallback: 0, failed: 0}), do: "All are the model's."

  defp without(%{count: count, fallback: fallback, failed: failed}) do
    parts = [{fallback, "are a fallback"}, {failed, "failed"}]
    told = for {number, what} <- parts, number > 0, do: "#{Figures.percent(number / count)} #{what}"
    Enum.join(told, ", ") <> "."
  end

  defp workers(%{placement: :none} = assigns),
    do: ~H|<p class="empty">No workers are placed anywhere: <code>placement: :none</code>.</p>|

  defp workers(%{workers: []} = assigns), do: ~H|<p class="empty">There are none yet.</p>|

  defp workers(assigns) do
    ~H"""
    <ul class="rows" id="worker-list">
      <li :for={worker <- @workers} class="row worker">
        <.badge tone={tone(worker.state)}>{worker.state}</.badge>
        <span class="what"><span class="name">{worker.name}</span>
        <span class="muted">{worker.where || "on this node"}</span></span>
        <span class="number muted">{worker.in_flight} in flight</span>
      </li>
    </ul>
    """
  end

  defp tone(:ready), do: "good"
  defp tone(:down), do: "bad"
  defp tone(_coming_or_going), do: "busy"

  defp runners(assigns) do
    ~H"""
    <dl class="figures" id="runners">
      <div>
        <dt>runners</dt><dd>{@runners.runners}</dd>
      </div>
      <div>
        <dt>in use</dt><dd>{Figures.percent(@runners.utilisation)}</dd>
      </div>
      <div>
        <dt>busy</dt><dd>{Figures.percent(@runners.busy)}</dd>
      </div>
      <div title="Of 1,000 recommendations">
        <dt>cost</dt><dd>{Figures.measure(@runners[:cost_per_1000])}</dd>
      </div>
    </dl>
    """
  end
end
