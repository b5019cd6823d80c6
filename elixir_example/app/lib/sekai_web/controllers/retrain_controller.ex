defmodule SekaiWeb.RetrainController do
  @moduledoc "Trainings: asked for, looked at, given up."

  use SekaiWeb, :api_controller

  alias Sekai.Jobs.RetrainWorker
  alias Sekai.Models
  alias SekaiWeb.Schemas

  tags ["models"]
  security [%{"bearer" => []}]

  operation :index,
    operation_id: "trainings",
    summary: "The newest trainings",
    description: "For administrators.",
    responses:
      [ok: ApiSpec.json("Newest first", Schemas.Runs)] ++
        ApiSpec.errors(~w(bad_request unauthorized forbidden internal_server_error service_unavailable)a)

  @spec index(Plug.Conn.t(), map()) :: Plug.Conn.t()
  def index(conn, _params), do: render(conn, :index, runs: Models.list_runs())

  operation :create,
    operation_id: "retrain",
    summary: "Train a model",
    description:
      "For administrators. It is done in the background, one at a time; the model serves if it is good enough.",
    request_body: {"What to train", "application/json", Schemas.Training, required: true},
    responses:
      [accepted: ApiSpec.json("The training, which waits", Schemas.Run)] ++
        ApiSpec.errors(
          ~w(bad_request unauthorized forbidden conflict request_entity_too_large unsupported_media_type
                          unprocessable_entity internal_server_error service_unavailable)a
        )

  @spec create(Plug.Conn.t(), map()) :: Plug.Conn.t() | {:error, ApiError.t() | Ecto.Changeset.t()}
  def create(conn, _params) do
    case RetrainWorker.request(conn.body_params) do
      {:ok, run} -> conn |> put_status(:accepted) |> render(:show, run: run)
      {:error, {:running, run}} -> {:error, running(run)}
      {:error, changeset} -> {:error, changeset}
    end
  end

  defp running(run) do
    ApiError.new(409, :training_in_progress, "a training waits or runs already",
      expected: "no training",
      got: "#{run.id} (#{run.state})"
    )
  end

  operation :delete,
    operation_id: "cancelTraining",
    summary: "Give a training up",
    description: "For administrators. One that has ended is left as it is.",
    parameters: [id: ApiSpec.path("Of a training", Schemas.Parts.id())],
    responses:
      [ok: ApiSpec.json("The training", Schemas.Run)] ++
        ApiSpec.errors(
          ~w(bad_request unauthorized forbidden not_found internal_server_error service_unavailable)a
        )

  @spec delete(Plug.Conn.t(), map()) :: Plug.Conn.t() | {:error, ApiError.t()}
  def delete(conn, %{id: id}) do
    case RetrainWorker.cancel(id) do
      :ok ->
        render(conn, :show, run: Models.get_run(id))

      {:error, :not_found} ->
        {:error, ApiError.new(404, :unknown_run, "there is no training #{id}", field: "id", got: id)}
    end
  end
end
