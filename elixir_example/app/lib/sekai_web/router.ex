defmodule SekaiWeb.Router do
  use SekaiWeb, :router

  # All that a page uses comes from here, and none of it is written into the page.
  @content_security_policy "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " <>
                             "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

  pipeline :browser do
    plug :accepts, ["html"]
    plug :fetch_session
    plug :fetch_live_flash
    plug :put_root_layout, html: {SekaiWeb.Layouts, :root}
    plug :protect_from_forgery

    plug :put_secure_browser_headers, %{
      "content-security-policy" => @content_security_policy,
      # The address of a sign-in has a token.
      "referrer-policy" => "no-referrer"
    }
  end

  pipeline :api do
    plug :accepts, ["json"]
  end

  scope "/", SekaiWeb do
    pipe_through :browser

    live_session :page, on_mount: SekaiWeb.Viewer do
      live "/", HomeLive
    end

    get "/login", SessionController, :new
    post "/login", SessionController, :create
    delete "/logout", SessionController, :delete
  end
end
