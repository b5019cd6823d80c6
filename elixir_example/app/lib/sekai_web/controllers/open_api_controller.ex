defmodule SekaiWeb.OpenApiController do
  @moduledoc "The API's description."

  use SekaiWeb, :api_controller

  alias OpenApiSpex.{Plug.RenderSpec, Schema}

  tags ["description"]

  operation :show,
    operation_id: "openapi",
    summary: "This description",
    responses:
      [ok: {"As of OpenAPI 3", "application/json", %Schema{type: :object}}] ++ ApiSpec.errors([:bad_request])

  @spec show(Plug.Conn.t(), map()) :: Plug.Conn.t()
  def show(conn, _params), do: RenderSpec.call(conn, RenderSpec.init([]))
end
