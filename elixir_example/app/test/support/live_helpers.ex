defmodule SekaiWeb.LiveHelpers do
  @moduledoc "What tests of the live views have in common."

  import Phoenix.ConnTest, only: [get: 2]
  import Phoenix.LiveViewTest

  @endpoint SekaiWeb.Endpoint

  @doc "The page at an address, once it has what it asks for."
  @spec open(Plug.Conn.t(), String.t()) :: Phoenix.LiveViewTest.View.t()
  def open(conn, path \\ "/") do
    {:ok, view, _html} = live(conn, path)
    settled(view)
    view
  end

  @doc "What is rendered once all tasks are done, on however busy a machine."
  @spec settled(Phoenix.LiveViewTest.View.t()) :: String.t()
  def settled(view), do: render_async(view, 10_000)

  @doc "What stands as names in an element, in its order."
  @spec names(Phoenix.LiveViewTest.View.t(), String.t()) :: [String.t()]
  def names(view, selector) do
    view
    |> render()
    |> LazyHTML.from_fragment()
    |> LazyHTML.query("#{selector} .name")
    |> Enum.map(&LazyHTML.text/1)
  end

  @doc "Has what is kept in memory be what the database has: a test before may have left it something else."
  @spec read_anew() :: :ok
  def read_anew do
    :ok = Sekai.Recommendations.Popular.refresh()
    :ok = Sekai.Models.Serving.refresh()
  end
end
