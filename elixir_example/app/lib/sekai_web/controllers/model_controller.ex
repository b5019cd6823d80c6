defmodule SekaiWeb.ModelController do
  @moduledoc "The versions of the model, and which one serves."

  use SekaiWeb, :api_controller

  alias Sekai.Models
  alias SekaiWeb.Schemas

  tags ["models"]
  security [%{"bearer" => []}]

  operation :index,
    operation_id: "models",
    summary: "All versions of the model",
    description: "For administrators.",
    responses:
      [ok: ApiSpec.json("Newest first", Schemas.Models)] ++
        ApiSpec.errors(~w(bad_request unauthorized forbidden internal_server_error service_unavailable)a)

  @spec index(Plug.Conn.t(), map()) :: Plug.Conn.t()
  def index(conn, _params), do: render(conn, :index, versions: Models.list_versions())

  operation :activate,
    operation_id: "activateModel",
    summary: "Have a version serve",
    description: "For administrators. Answers once all workers serve it; done twice, it does no more.",
    parameters: [version: ApiSpec.path("Of a model", Schemas.Parts.version())],
    responses:
      [ok: ApiSpec.json("The version, which serves", Schemas.Model)] ++
        ApiSpec.errors(
          ~w(bad_request unauthorized forbidden not_found conflict internal_server_error bad_gateway
                          service_unavailable gateway_timeout)a
        )

  @spec activate(Plug.Conn.t(), map()) :: Plug.Conn.t() | {:error, ApiError.t() | PortWorker.Error.t()}
  def activate(conn, %{version: version}) do
    case Models.promote(version) do
      {:ok, model} -> render(conn, :show, version: model)
      {:error, :not_found} -> {:error, unknown(version)}
      {:error, error} -> {:error, error}
    end
  end

  defp unknown(version) do
    ApiError.new(404, :unknown_version, "there is no version #{version}", field: "version", got: version)
  end
end
