defmodule SekaiWeb.Layouts do
  @moduledoc "What all pages are within."

  use SekaiWeb, :html

  alias SekaiWeb.Viewer

  @doc "The document."
  @spec root(map()) :: Phoenix.LiveView.Rendered.t()
  def root(assigns) do
    ~H"""
    <!DOCTYPE html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="csrf-token" content={get_csrf_token()} />
        <meta name="color-scheme" content="light dark" />
        <.live_title default="Recommendations" suffix=" · Sekai">{assigns[:page_title]}</.live_title>
        <link rel="icon" href={~p"/favicon.svg"} type="image/svg+xml" />
        <link rel="stylesheet" href={~p"/app.css"} />
        <script defer src="/assets/phoenix/phoenix.min.js">
        </script>
        <script defer src="/assets/phoenix_live_view/phoenix_live_view.min.js">
        </script>
        <script defer src={~p"/app.js"}>
        </script>
      </head>
      <body>
        {@inner_content}
      </body>
    </html>
    """
  end

  attr :viewer, Viewer, default: nil

  @doc "What is on top of a page: its name, and who looks, where that is known."
  @spec top(map()) :: Phoenix.LiveView.Rendered.t()
  def top(assigns) do
    ~H"""
    <header class="top">
      <a class="brand" href={~p"/"}>
        <svg viewBox="0 0 24 24" aria-hidden="true">
          <circle cx="12" cy="12" r="9" /><ellipse cx="12" cy="12" rx="4" ry="9" /><path d="M3 12h18" />
        </svg>
        <span>Sekai</span>
      </a>
      <.sign_in :if={@viewer} viewer={@viewer} />
    </header>
    """
  end

  defp sign_in(%{viewer: %{user: nil}} = assigns) do
    ~H"""
    <a class="button quiet" href={~p"/login"}>Sign in</a>
    """
  end

  defp sign_in(assigns) do
    ~H"""
    <form class="viewer" action={~p"/logout"} method="post">
      <input type="hidden" name="_method" value="delete" />
      <input type="hidden" name="_csrf_token" value={get_csrf_token()} />
      <span class="viewer-name">
        <span>{@viewer.user.display_name}</span>
        <span :if={@viewer.admin?} class="badge">admin</span>
      </span>
      <button class="button quiet">Sign out</button>
    </form>
    """
  end
end
