defmodule SekaiWeb.HomeLive do
  @moduledoc """
  The page: somebody is looked for, and shown with what they had and what they are recommended.

  Nothing here waits for a worker: recommendations are asked for in tasks, with a deadline, and asked for anew when another
  model is promoted, or a worker is there again after a list that was none of its. `SekaiWeb.OperationsLive` is beside it,
  in a process of its own.

  Whoever sees the page sees anybody's history: that is as it should be with made-up users, and not with real ones.
  """

  use SekaiWeb, :live_view

  alias Phoenix.LiveView.AsyncResult
  alias Sekai.{Accounts, Content, Interactions, Models, Monitor, Recommendations}
  alias SekaiWeb.{Items, Layouts, OperationsLive}

  @people 8
  @timeout_ms 1_000

  @impl true
  def mount(_params, _session, socket) do
    if connected?(socket) do
      :ok = Models.subscribe()
      :ok = Monitor.subscribe()
    end

    {:ok, socket |> assign(query: "", user: nil, served?: served?(Monitor.snapshot())) |> close() |> search("")}
  end

  @impl true
  def handle_params(params, _uri, socket), do: {:noreply, show(socket, params["user"])}

  defp show(socket, nil), do: assign(socket, user: nil, page_title: nil)

  defp show(socket, id) do
    case Accounts.get_user(id) do
      nil ->
        assign(socket, user: :unknown, page_title: "Nobody")

      user ->
        socket |> assign(user: user, page_title: user.display_name) |> close() |> load(reset: true)
    end
  end

  defp close(socket), do: assign(socket, opened: nil, similar: AsyncResult.loading())

  defp load(%{assigns: %{user: %{id: id}}} = socket, options) do
    socket
    |> assign_async(:recommendations, fn -> recommend(id) end, options)
    |> assign_async(:history, fn -> {:ok, %{history: history(id)}} end, options)
  end

  defp load(socket, _options), do: socket

  defp recommend(id) do
    with {:ok, answer} <-
           Monitor.measure(:recommend, fn -> Recommendations.for_user(id, timeout: @timeout_ms) end),
         do: {:ok, %{recommendations: answer}}
  end

  defp history(id) do
    interactions = Interactions.history(id, 12)

    items =
      interactions |> Enum.map(& &1.item_id) |> Enum.uniq() |> Content.public_items() |> Map.new(&{&1.id, &1})

    for interaction <- interactions, do: {interaction, items[interaction.item_id]}
  end

  defp search(socket, query),
    do: assign_async(socket, :found, fn -> {:ok, %{found: Accounts.search_users(query, @people)}} end)

  @impl true
  def handle_event("search", %{"q" => query}, socket) do
    query = String.trim(query)
    {:noreply, socket |> assign(query: query) |> search(query)}
  end

  def handle_event("refresh", _params, socket), do: {:noreply, load(socket, [])}

  def handle_event("similar", %{"id" => id}, %{assigns: %{opened: id}} = socket), do: {:noreply, close(socket)}

  def handle_event("similar", %{"id" => id}, socket),
    do: {:noreply, socket |> assign(opened: id) |> load_similar(reset: true)}

  defp load_similar(%{assigns: %{opened: nil}} = socket, _options), do: socket

  defp load_similar(%{assigns: %{opened: id}} = socket, options),
    do: assign_async(socket, :similar, fn -> similar(id) end, options)

  defp similar(id) do
    # What is popular is not like it: no fallback is as good as none.
    options = [n: 5, timeout: @timeout_ms, fallback: false]

    with {:ok, answer} <- Monitor.measure(:similar, fn -> Recommendations.similar(id, options) end),
         do: {:ok, %{similar: answer}}
  end

  @impl true
  def handle_info({:promoted, _version}, socket), do: {:noreply, socket |> load([]) |> load_similar([])}

  def handle_info({:monitor, snapshot}, socket) do
    served? = served?(snapshot)
    back? = served? and not socket.assigns.served? and fallback?(socket.assigns[:recommendations])
    socket = assign(socket, served?: served?)
    {:noreply, if(back?, do: load(socket, []), else: socket)}
  end

  def handle_info({:retrain_run, _run}, socket), do: {:noreply, socket}

  defp served?(%{workers: workers}), do: Enum.any?(workers, &(&1.state == :ready))

  defp fallback?(%AsyncResult{result: %{fallback: error}}), do: error != nil
  defp fallback?(_none), do: false

  @impl true
  def render(assigns) do
    ~H"""
    <Layouts.top viewer={@viewer} />
    <p
      class="offline"
      role="alert"
      hidden
      phx-disconnected={JS.remove_attribute("hidden")}
      phx-connected={JS.set_attribute({"hidden", "hidden"})}
    >
      The connection is lost; trying again…
    </p>
    <main class="page">
      <section class="card people" aria-labelledby="people">
        <h2 id="people">People</h2>
        <form id="search" role="search" phx-change="search" phx-submit="search">
          <label for="q" class="sr-only">Name</label>
          <input
            type="search"
            id="q"
            name="q"
            value={@query}
            placeholder="Search by name"
            autocomplete="off"
            phx-debounce="150"
          />
        </form>
        <.people found={@found} query={@query} user={@user} />
      </section>
      <div class="user">
        <.user user={@user} {Map.take(assigns, [:recommendations, :history, :opened, :similar])} />
      </div>
      <aside class="operations">{live_render(@socket, OperationsLive, id: "operations")}</aside>
    </main>
    """
  end

  defp people(%{found: %{ok?: false, failed: nil}} = assigns), do: ~H"<SekaiWeb.Components.skeleton rows={8} />"

  defp people(assigns) do
    ~H"""
    <p class="sr-only" role="status">
      {if @query != "" && @found.ok?, do: "#{length(@found.result)} found"}
    </p>
    <p :if={@found.failed} class="empty">The search failed: the database does not answer.</p>
    <p :if={@found.ok? and @found.result == [] and @query != ""} class="empty">Nobody is called “{@query}”.</p>
    <p :if={@found.ok? and @found.result == [] and @query == ""} class="empty">
      There are no users yet: <code>mix sekai.fixture</code> loads some.
    </p>
    <ul :if={@found.ok?} class="rows" id="found">
      <li :for={user <- @found.result}>
        <.link patch={~p"/?user=#{user.id}"} class="row" aria-current={same?(user, @user) && "true"}>
          <span class="what">
            <span class="name">{user.display_name}</span>
            <span class="muted">{[user.interest, user.platform] |> Enum.filter(& &1) |> Enum.join(" · ")}</span>
          </span>
        </.link>
      </li>
    </ul>
    """
  end

  defp same?(%{id: id}, %{id: id}), do: true
  defp same?(_user, _other), do: false

  defp user(%{user: nil} = assigns) do
    ~H"""
    <section class="card blank">
      <h1>What would they like?</h1>
      <p class="muted">Choose somebody to see what they had, and what the model has for them.</p>
    </section>
    """
  end

  defp user(%{user: :unknown} = assigns) do
    ~H"""
    <section class="card blank">
      <h1>Nobody is here</h1>
      <p class="muted">This user does not exist, or not any more. <.link patch={~p"/"}>Look for another</.link>.</p>
    </section>
    """
  end

  defp user(assigns) do
    ~H"""
    <section class="card" aria-labelledby="who">
      <div class="heading">
        <div>
          <h1 id="who">{@user.display_name}</h1>
          <p class="muted">
            {["@" <> @user.username, @user.interest, @user.platform] |> Enum.filter(& &1) |> Enum.join(" · ")}
          </p>
        </div>
        <button class="button" phx-click="refresh">Refresh</button>
      </div>
      <h2>Recommended</h2>
      <Items.recommendations recommendations={@recommendations} opened={@opened} similar={@similar} />
    </section>
    <section class="card" aria-labelledby="had">
      <h2 id="had">History</h2>
      <Items.history history={@history} />
    </section>
    """
  end
end
