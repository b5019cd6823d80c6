defmodule SekaiWeb.HomeLiveTest do
  use SekaiWeb.ConnCase

  import Phoenix.LiveViewTest
  import SekaiWeb.LiveHelpers

  alias Sekai.{Content, Recommendations}
  alias Sekai.Recommendations.Popular

  describe "looking for somebody" do
    setup do
      for name <- ["Ada Abara", "Ada Bell", "Wren Reyes"], do: user(%{display_name: name})
      :ok
    end

    test "finds them by a part of their name", %{conn: conn} do
      view = open(conn, "/")
      assert names(view, "#found") == ["Ada Abara", "Ada Bell", "Wren Reyes"]

      view |> form("#search", q: " ada ") |> render_change()
      assert settled(view) =~ "2 found"
      assert names(view, "#found") == ["Ada Abara", "Ada Bell"]
    end

    test "says that there is nobody", %{conn: conn} do
      view = open(conn, "/")
      view |> form("#search", q: "<b>nobody") |> render_change()
      assert settled(view) =~ "Nobody is called “&lt;b&gt;nobody”"
    end

    test "shows who is chosen, and puts that in the address", %{conn: conn} do
      view = open(conn, "/")
      view |> element("#found a", "Wren Reyes") |> render_click()
      settled(view)
      assert has_element?(view, "h1", "Wren Reyes")
      assert has_element?(view, "#found a[aria-current]", "Wren Reyes")
      assert page_title(view) =~ "Wren Reyes"
      assert assert_patch(view) =~ ~r"^/\?user=[0-9a-f-]{36}$"
    end
  end

  test "without any users it says how there will be some", %{conn: conn} do
    assert conn |> open("/") |> render() =~ "mix sekai.fixture"
  end

  test "somebody who does not exist is no error", %{conn: conn} do
    for id <- [Ecto.UUID.generate(), "no id"] do
      assert conn |> open("/?user=#{id}") |> has_element?("h1", "Nobody is here")
    end
  end

  describe "what somebody had" do
    test "is shown newest first, without the names of what is not public", %{conn: conn} do
      user = user()

      [castle, secret, hat] = [
        item(%{name: "Castle"}),
        item(%{name: "Secret"}),
        item(%{kind: "prop", name: "Hat"})
      ]

      for {item, day} <- [{castle, 1}, {secret, 2}], do: interaction(user, item, %{time: day(day)})
      interaction(user, hat, %{time: day(3), kind: "favourite"})
      :ok = Content.set_public(secret, false)

      view = open(conn, "/?user=#{user.id}")
      assert names(view, "#history") == ["Hat", "not public any more", "Castle"]
      assert has_element?(view, "#history li:first-child", "liked")
      refute render(view) =~ "Secret"
    end

    test "may be nothing", %{conn: conn} do
      assert conn |> open("/?user=#{user().id}") |> render() =~ "Nothing yet."
    end

    defp day(number), do: DateTime.new!(Date.new!(2026, 1, number), ~T[00:00:00.000000])
  end

  describe "where no worker is" do
    setup do: read_anew()

    test "what is popular is shown, and that it is no more than that", %{conn: conn} do
      item = item(%{name: "Castle"})
      for _each <- 1..3, do: interaction(user(), item)
      :ok = Popular.refresh()

      view = open(conn, "/?user=#{user().id}")
      assert names(view, "#recommended") == ["Castle"]
      assert has_element?(view, "#fallback", "No worker answers.")
      assert has_element?(view, "#fallback", "popular with all")
      assert has_element?(view, "#fallback code", "worker_down")
      assert has_element?(view, "#recommended", "3 users")
    end

    test "the list that was stored for them is told from what is popular", %{conn: conn} do
      {user, item} = {user(), item(%{name: "Castle"})}
      row = %{user_id: user.id, item_ids: [item.id], scores: [0.5], source: "model", model_version: "v7"}
      {:ok, 1} = Recommendations.store([row])

      view = open(conn, "/?user=#{user.id}")
      assert has_element?(view, "#fallback", "stored for them")
      assert has_element?(view, "#fallback code", "v7")
      assert has_element?(view, "#recommended .score", "0.500")
    end

    test "nothing is said to be alike", %{conn: conn} do
      item = item(%{name: "Castle"})
      interaction(user(), item)
      :ok = Popular.refresh()

      view = open(conn, "/?user=#{user().id}")
      view |> element("#item-#{item.id} button") |> render_click()
      settled(view)
      assert has_element?(view, "#similar", "No worker answers. Only the model knows what is alike.")
      refute has_element?(view, "#similar li")
    end
  end
end
