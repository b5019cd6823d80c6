defmodule SekaiWeb.Endpoint do
  use Phoenix.Endpoint, otp_app: :sekai

  @session_options [store: :cookie, key: "_sekai_key", signing_salt: "Y2vQxM0k", same_site: "Lax"]

  socket "/live", Phoenix.LiveView.Socket, websocket: [connect_info: [session: @session_options]]

  plug SekaiWeb.Plugs.Received

  # There is no bundler: the page's scripts are those that the packages bring, and one of its own.
  plug Plug.Static, at: "/assets/phoenix", from: {:phoenix, "priv/static"}, only: ~w(phoenix.min.js)

  plug Plug.Static,
    at: "/assets/phoenix_live_view",
    from: {:phoenix_live_view, "priv/static"},
    only: ~w(phoenix_live_view.min.js)

  plug Plug.Static, at: "/", from: :sekai, only: SekaiWeb.static_paths()

  plug Plug.RequestId
  plug Plug.Telemetry, event_prefix: [:phoenix, :endpoint], log: {__MODULE__, :log_level, []}

  plug SekaiWeb.Plugs.Body,
    parsers: [:urlencoded, :json],
    json_decoder: Phoenix.json_library(),
    length: 1_000_000

  plug Plug.MethodOverride
  plug Plug.Head
  plug Plug.Session, @session_options
  plug SekaiWeb.Router

  @doc "Requests of the API are counted and measured, see `Sekai.Telemetry`; a line for each would be most of the log."
  @spec log_level(Plug.Conn.t()) :: Logger.level() | false
  def log_level(%{path_info: [probe]}) when probe in ~w(healthz readyz), do: false
  def log_level(%{path_info: ["api" | _path]}), do: :debug
  def log_level(_conn), do: :info
end
