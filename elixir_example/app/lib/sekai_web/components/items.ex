defmodule SekaiWeb.Items do
  @moduledoc "Lists of items: what a user is recommended, with what is like it, and what they had."

  use SekaiWeb, :html

  import SekaiWeb.Components

  alias Phoenix.LiveView.AsyncResult
  alias PortWorker.Error

  attr :recommendations, AsyncResult, required: true
  attr :opened, :string, required: true, doc: "the id of the item whose like are shown, or nil"
  attr :similar, AsyncResult, required: true

  @doc "What a user is recommended, and where that is from. Clicking an item shows what is like it."
  @spec recommendations(map()) :: Phoenix.LiveView.Rendered.t()
  def recommendations(%{recommendations: %{ok?: false, failed: nil}} = assigns) do
    ~H"""
    <p class="origin" role="status">Asking the model…</p>
    <.skeleton rows={10} />
    """
  end

  def recommendations(%{recommendations: %{ok?: false}} = assigns) do
    ~H"""
    <.notice kind={:error}>
      The recommendations could not be read. <button class="link" phx-click="refresh">Try again</button>
    </.notice>
    """
  end

  def recommendations(assigns) do
    assigns = assign(assigns, answer: assigns.recommendations.result)

    ~H"""
    <.origin answer={@answer} />
    <p :if={@answer.items == []} class="empty">There is nothing to recommend.</p>
    <ol class="rows" id="recommended" aria-busy={to_string(@recommendations.loading != nil)}>
      <li :for={{item, score} <- @answer.items} id={"item-#{item.id}"}>
        <button
          class="row"
          phx-click="similar"
          phx-value-id={item.id}
          aria-expanded={to_string(@opened == item.id)}
          aria-controls={@opened == item.id && "similar"}
          title={"What is like #{item.name}"}
        >
          <.item item={item} /><.score score={score} top={top(@answer.items)} users?={counted?(@answer)} />
        </button>
        <.similar :if={@opened == item.id} item={item} similar={@similar} />
      </li>
    </ol>
    """
  end

  # What is popular has no score: it is how many users had it.
  defp counted?(%{source: :popular, fallback: fallback}), do: fallback != nil
  defp counted?(_answer), do: false

  # Where the list is from.

  defp origin(%{answer: %{fallback: %Error{}}} = assigns) do
    ~H"""
    <.notice kind={:warn} id="fallback">
      <strong>{reason(@answer.fallback)}</strong>
      {instead(@answer.source)} <code>{@answer.fallback.code}</code>
      <code :if={@answer.model}>{@answer.model}</code>
    </.notice>
    """
  end

  defp origin(assigns) do
    ~H"""
    <p class="origin" id="origin">
      <.badge tone="good">{@answer.source}</.badge>
      {source(@answer.source)} <code>{@answer.model}</code>
    </p>
    """
  end

  defp source(:model), do: "What the model has learnt of them."
  defp source(:fold_in), do: "The model, and what they did since it was trained."
  defp source(:features), do: "The model, by what is known of them: it has not seen them do anything."
  defp source(:popular), do: "The model does not know them: what is popular with all."
  defp source(_other), do: "From the model."

  defp reason(%Error{code: :no_model}), do: "There is no model yet."
  defp reason(%Error{code: code}) when code in [:deadline_exceeded, :overloaded], do: "No answer in time."

  defp reason(%Error{code: code}) when code in [:worker_down, :worker_hung, :boot_timeout, :draining],
    do: "No worker answers."

  defp reason(%Error{message: message}), do: "The model gave no answer: #{message}."

  defp instead(:stored), do: "This is the list that was stored for them."
  defp instead(_popular), do: "This is what is popular with all."

  attr :item, :map, required: true
  attr :similar, AsyncResult, required: true

  defp similar(assigns) do
    ~H"""
    <div class="similar" id="similar" aria-live="polite">
      <p class="muted">Like {@item.name}</p>
      <.skeleton :if={!@similar.ok? and @similar.failed == nil} rows={5} />
      <p :if={@similar.failed} class="empty">{unlike(@similar.failed)}</p>
      <ol :if={@similar.ok?} class="rows">
        <li :for={{item, score} <- @similar.result.items} class="row">
          <.item item={item} /><.score score={score} top={top(@similar.result.items)} />
        </li>
      </ol>
      <p :if={@similar.ok? and @similar.result.items == []} class="empty">
        Nothing that anybody may see is like it.
      </p>
    </div>
    """
  end

  defp unlike({:error, %Error{code: :unknown_item}}), do: "The model does not know it yet."
  defp unlike({:error, %Error{} = error}), do: "#{reason(error)} Only the model knows what is alike."
  defp unlike({:exit, _reason}), do: "That could not be read."

  defp top([]), do: 0.0
  defp top(items), do: items |> Enum.map(&elem(&1, 1)) |> Enum.max()

  attr :history, AsyncResult, required: true

  @doc "What a user had, newest first."
  @spec history(map()) :: Phoenix.LiveView.Rendered.t()
  def history(%{history: %{ok?: false, failed: nil}} = assigns), do: ~H"<.skeleton rows={12} />"

  def history(%{history: %{ok?: false}} = assigns) do
    ~H"""
    <.notice kind={:error}>
      The history could not be read. <button class="link" phx-click="refresh">Try again</button>
    </.notice>
    """
  end

  def history(%{history: %{result: []}} = assigns) do
    ~H"""
    <p class="empty">Nothing yet. Until they visit or like something, they get what is popular.</p>
    """
  end

  def history(assigns) do
    ~H"""
    <ul class="rows" id="history">
      <li :for={{interaction, item} <- @history.result} class="row">
        <.item item={item} />
        <span class="when"><.said kind={interaction.kind} /> <.ago at={interaction.time} /></span>
      </li>
    </ul>
    """
  end

  # Nearly all are visits: seeing that each time says nothing.
  defp said(%{kind: "visit"} = assigns), do: ~H|<span class="sr-only">visited</span>|
  defp said(%{kind: "favourite"} = assigns), do: ~H|<.badge tone="busy">liked</.badge>|

  attr :item, :map, required: true, doc: "nil of one that is not public"

  defp item(%{item: nil} = assigns) do
    ~H"""
    <.kind_sign />
    <span class="what muted"><span class="name">not public any more</span></span>
    """
  end

  defp item(assigns) do
    ~H"""
    <.kind_sign kind={@item.kind} />
    <span class="what">
      <span class="name">{@item.name}</span>
      <span class="muted">{[@item.kind, @item.style, @item.platform] |> Enum.filter(& &1) |> Enum.join(" · ")}</span>
    </span>
    """
  end
end
