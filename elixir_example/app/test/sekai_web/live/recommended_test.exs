defmodule SekaiWeb.RecommendedTest do
  use SekaiWeb.ConnCase

  import Phoenix.LiveViewTest
  import Sekai.ScriptedWorker, only: [found: 1, found: 2]
  import SekaiWeb.LiveHelpers

  alias Sekai.ScriptedWorker

  setup_all do: {:ok, script: ScriptedWorker.start()}

  setup do
    read_anew()
    castle = item(%{name: "Castle", style: "gothic"})
    {:ok, user: user(), castle: castle, hat: item(%{kind: "prop", name: "Hat"}), hall: item(%{name: "Hall"})}
  end

  for {source, told} <- [
        model: "has learnt of them",
        fold_in: "since it was trained",
        features: "by what is known of them",
        popular: "does not know them"
      ] do
    test "items are ranked as the worker does, and said to be from #{source}", %{conn: conn} = context do
      items = found([context.castle, context.hat], %{source: unquote(source)})
      ScriptedWorker.answer(context.script, %{recommend: items})
      view = open(conn, "/?user=#{context.user.id}")

      assert names(view, "#recommended") == ["Castle", "Hat"]
      assert has_element?(view, "#item-#{context.castle.id}", "map · gothic")
      assert has_element?(view, "#item-#{context.castle.id} .score", "2.000")
      assert has_element?(view, "#origin", unquote(told))
      assert has_element?(view, "#origin code", "v1")
      refute has_element?(view, "#fallback")
    end
  end

  test "the page does not wait for a worker that is silent", %{conn: conn} = context do
    ScriptedWorker.answer(context.script, %{recommend: :silence})
    {microseconds, {:ok, view, _html}} = :timer.tc(fn -> live(conn, "/?user=#{context.user.id}") end)
    assert microseconds < 900_000
    assert has_element?(view, "h1", context.user.display_name)
    assert has_element?(view, ".skeleton")

    settled(view)
    assert has_element?(view, "#fallback", "No answer in time.")
    assert has_element?(view, "#fallback code", "deadline_exceeded")
  end

  test "that there is no model yet is said so", %{conn: conn} = context do
    ScriptedWorker.answer(context.script, %{recommend: {:error, :no_model}})
    view = open(conn, "/?user=#{context.user.id}")
    assert has_element?(view, "#fallback", "There is no model yet.")
  end

  test "that there is nothing is said so", %{conn: conn} = context do
    ScriptedWorker.answer(context.script, %{recommend: found([])})
    assert conn |> open("/?user=#{context.user.id}") |> render() =~ "There is nothing to recommend."
  end

  test "what is like an item is shown below it, and hidden again", %{conn: conn} = context do
    ScriptedWorker.answer(context.script, %{recommend: found([context.castle]), similar: found([context.hall])})
    view = open(conn, "/?user=#{context.user.id}")
    button = element(view, "#item-#{context.castle.id} > button")
    assert render(button) =~ ~s(aria-expanded="false")

    render_click(button)
    settled(view)
    assert render(button) =~ ~s(aria-expanded="true")
    assert names(view, "#similar") == ["Hall"]

    render_click(button)
    refute has_element?(view, "#similar")
  end

  test "an item that the model does not know is said so", %{conn: conn} = context do
    ScriptedWorker.answer(context.script, %{
      recommend: found([context.castle]),
      similar: {:error, :unknown_item}
    })

    view = open(conn, "/?user=#{context.user.id}")
    view |> element("#item-#{context.castle.id} > button") |> render_click()
    assert settled(view) =~ "The model does not know it yet."
  end

  test "another model's are shown as soon as that is promoted", %{conn: conn} = context do
    ScriptedWorker.answer(context.script, %{recommend: found([context.castle])})
    view = open(conn, "/?user=#{context.user.id}")

    ScriptedWorker.answer(context.script, %{recommend: found([context.hat], %{model: "v2"})})
    Phoenix.PubSub.broadcast(Sekai.PubSub, Sekai.Models.topic(), {:promoted, "v2"})
    render(view)
    settled(view)
    assert names(view, "#recommended") == ["Hat"]
    assert has_element?(view, "#origin code", "v2")
  end

  test "a fallback gives way when a worker is ready again", %{conn: conn} = context do
    ScriptedWorker.answer(context.script, %{recommend: {:error, :draining}})
    view = open(conn, "/?user=#{context.user.id}")
    assert has_element?(view, "#fallback")

    ScriptedWorker.answer(context.script, %{recommend: found([context.castle])})
    ready = %{name: "worker 1", where: nil, state: :ready, in_flight: 0}
    send(view.pid, {:monitor, %{Sekai.Monitor.snapshot() | workers: [ready]}})
    render(view)
    settled(view)
    assert names(view, "#recommended") == ["Castle"]
    refute has_element?(view, "#fallback")
  end

  test "they are asked for anew at the press of a button", %{conn: conn} = context do
    ScriptedWorker.answer(context.script, %{recommend: found([context.castle])})
    view = open(conn, "/?user=#{context.user.id}")
    ScriptedWorker.answer(context.script, %{recommend: found([context.hat])})
    view |> element("button", "Refresh") |> render_click()
    settled(view)
    assert names(view, "#recommended") == ["Hat"]
  end
end
