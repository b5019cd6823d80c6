defmodule SekaiWeb.InteractionController do
  @moduledoc "What users report of what they did."

  use SekaiWeb, :api_controller

  alias Sekai.{Accounts, Interactions}
  alias SekaiWeb.Schemas

  tags ["interactions"]
  security [%{"bearer" => []}]

  operation :create,
    operation_id: "recordInteractions",
    summary: "Record what users did",
    description:
      "All of them or none. Each has an id that its reporter has chosen, so a batch of which it is not known whether it arrived may be sent again. A user may report their own, an administrator anybody's.",
    request_body: {"Interactions", "application/json", Schemas.Interactions, required: true},
    responses:
      [ok: ApiSpec.json("How many are new", Schemas.Recorded)] ++
        ApiSpec.errors(~w(bad_request unauthorized forbidden request_entity_too_large unsupported_media_type
                          unprocessable_entity internal_server_error service_unavailable)a)

  @spec create(Plug.Conn.t(), map()) :: Plug.Conn.t() | {:error, ApiError.t()}
  def create(conn, _params) do
    user = conn.assigns.current_user
    batch = Enum.map(conn.body_params.interactions, &own(&1, user))

    with :ok <- permitted(user, batch),
         {:ok, counts} <- record(batch),
         do: json(conn, counts)
  end

  defp own(interaction, user),
    do: interaction |> Map.put_new(:user_id, user.id) |> Map.update!(:user_id, &String.downcase/1)

  defp permitted(user, batch) do
    case Enum.find_index(batch, &(&1.user_id != user.id)) do
      nil -> :ok
      index -> if Accounts.admin?(user), do: :ok, else: {:error, foreign(index)}
    end
  end

  defp foreign(index) do
    ApiError.new(403, :forbidden, "only administrators may report what others did",
      field: "interactions[#{index}].user_id"
    )
  end

  defp record(batch) do
    with {:error, [%{index: index, field: field, message: message} | _more]} <- Interactions.record(batch) do
      field = "interactions[#{index}].#{field}"
      {:error, ApiError.new(422, :invalid_interaction, "#{field} #{message}", field: field)}
    end
  end
end
