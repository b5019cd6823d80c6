defmodule SekaiWeb.HealthController do
  @moduledoc """
  Whether this node lives, and whether it is ready.

  It lives as long as it answers: what restarts it for anything else would restart it while the database is away. It is
  ready once the database answers and a worker has a model: a load balancer sends it requests then.
  """

  use SekaiWeb, :api_controller

  alias Sekai.{Recommender, Repo}
  alias SekaiWeb.Schemas

  @database_ms 1_000

  tags ["health"]

  operation :live,
    operation_id: "healthz",
    summary: "Whether this node lives",
    responses: [ok: ApiSpec.json("It does", Schemas.Health)] ++ ApiSpec.errors([:bad_request])

  @spec live(Plug.Conn.t(), map()) :: Plug.Conn.t()
  def live(conn, _params), do: json(conn, %{status: "ok"})

  operation :ready,
    operation_id: "readyz",
    summary: "Whether this node is ready",
    responses:
      [
        ok: ApiSpec.json("It is", Schemas.Health),
        service_unavailable: ApiSpec.json("It is not, for want of what is missing", Schemas.Health)
      ] ++ ApiSpec.errors([:bad_request])

  @spec ready(Plug.Conn.t(), map()) :: Plug.Conn.t()
  def ready(conn, _params) do
    case database() ++ worker() do
      [] -> json(conn, %{status: "ok", missing: []})
      missing -> conn |> put_status(:service_unavailable) |> json(%{status: "unready", missing: missing})
    end
  end

  defp database do
    case Repo.query("SELECT 1", [], timeout: @database_ms) do
      {:ok, _result} -> []
      {:error, _why} -> ["database"]
    end
  rescue
    # The repository itself is down.
    RuntimeError -> ["database"]
  end

  defp worker do
    case PortWorker.info(Recommender) do
      {:ok, %{phase: :ready, facts: %{model: %{}}}} -> []
      {:ok, %{phase: :ready}} -> ["model"]
      _down_or_booting -> ["worker"]
    end
  end
end
