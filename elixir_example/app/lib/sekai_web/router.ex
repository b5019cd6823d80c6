defmodule SekaiWeb.Router do
  use SekaiWeb, :router
  use Plug.ErrorHandler

  alias SekaiWeb.{ApiError, ApiSpec, Plugs}

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
    plug :put_format, "json"
    plug OpenApiSpex.Plug.PutApiSpec, module: ApiSpec
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

  pipeline :user do
    plug Plugs.Authenticate
    plug Plugs.RequireUser
  end

  pipeline :admin do
    plug Plugs.RequireAdmin
  end

  scope "/", SekaiWeb do
    pipe_through :api

    get "/healthz", HealthController, :live
    get "/readyz", HealthController, :ready
    get "/api/openapi", OpenApiController, :show
  end

  scope "/api", SekaiWeb do
    pipe_through [:api, :user]

    get "/recommendations/:user_id", RecommendationController, :show
    get "/items/:id/similar", RecommendationController, :similar
    post "/interactions", InteractionController, :create
  end

  scope "/api", SekaiWeb do
    pipe_through [:api, :user, :admin]

    get "/models", ModelController, :index
    post "/models/:version/activate", ModelController, :activate
    get "/retrain", RetrainController, :index
    post "/retrain", RetrainController, :create
    delete "/retrain/:id", RetrainController, :delete
  end

  # What is raised on the way to an answer of the API is one, too, whatever its client accepts.
  @impl Plug.ErrorHandler
  def handle_errors(%{path_info: ["api" | _path]} = conn, %{reason: reason}),
    do: ApiError.respond(conn, ApiError.from(reason))

  def handle_errors(conn, _error), do: conn
end
