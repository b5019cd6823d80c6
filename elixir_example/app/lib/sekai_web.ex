defmodule SekaiWeb do
  @moduledoc "What controllers, live views and the router begin with."

  @spec static_paths() :: [String.t()]
  def static_paths, do: ~w(app.css app.js favicon.svg)

  @spec router() :: Macro.t()
  def router do
    quote do
      use Phoenix.Router, helpers: false
      import Phoenix.Controller
      import Phoenix.LiveView.Router
      import Plug.Conn
    end
  end

  @spec controller() :: Macro.t()
  def controller do
    quote do
      use Phoenix.Controller, formats: [:html, :json]
      import Plug.Conn
      unquote(verified_routes())
    end
  end

  @doc "Controllers of the API: each action says what it takes and answers, and gets what fits that."
  @spec api_controller() :: Macro.t()
  def api_controller do
    quote do
      use Phoenix.Controller, formats: [:json]
      use OpenApiSpex.ControllerSpecs
      import Plug.Conn
      alias SekaiWeb.{ApiError, ApiSpec}

      action_fallback SekaiWeb.FallbackController
      plug SekaiWeb.Plugs.Validate
    end
  end

  @spec live_view() :: Macro.t()
  def live_view do
    quote do
      use Phoenix.LiveView
      unquote(html_basics())
    end
  end

  @spec html() :: Macro.t()
  def html do
    quote do
      use Phoenix.Component
      import Phoenix.Controller, only: [get_csrf_token: 0]
      unquote(html_basics())
    end
  end

  defp html_basics do
    quote do
      import Phoenix.HTML
      alias Phoenix.LiveView.JS
      unquote(verified_routes())
    end
  end

  @spec verified_routes() :: Macro.t()
  def verified_routes do
    quote do
      use Phoenix.VerifiedRoutes,
        endpoint: SekaiWeb.Endpoint,
        router: SekaiWeb.Router,
        statics: SekaiWeb.static_paths()
    end
  end

  @doc "Dispatches `use SekaiWeb, :controller` and the like."
  @spec __using__(atom()) :: Macro.t()
  defmacro __using__(which) when is_atom(which), do: apply(__MODULE__, which, [])
end
