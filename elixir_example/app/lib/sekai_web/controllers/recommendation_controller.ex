defmodule SekaiWeb.RecommendationController do
  @moduledoc """
  Recommendations for a user, and items like another.

  A stored or popular list takes the place of a worker's if not said otherwise (`fallback=false`): most clients show a page,
  which is better with it than without any, and the answer says so. Who has use for the model's own only gets the error.
  """

  use SekaiWeb, :api_controller

  alias PortWorker.Error
  alias Sekai.{Accounts, Content, Recommendations}
  alias SekaiWeb.Plugs.{Measure, Received}
  alias SekaiWeb.Schemas

  @timeout_ms 250

  plug Measure, :recommend when action == :show
  plug Measure, :similar when action == :similar

  tags ["recommendations"]
  security [%{"bearer" => []}]

  operation :show,
    operation_id: "recommendations",
    summary: "What a user is likely to want next",
    description: "A user may see their own, an administrator anybody's.",
    parameters: [user_id: ApiSpec.path("Of the user", Schemas.Parts.id())] ++ ApiSpec.ranking(),
    responses:
      [ok: ApiSpec.json("Items, best first", Schemas.Recommendations)] ++
        ApiSpec.errors(
          ~w(bad_request unauthorized forbidden not_found unprocessable_entity internal_server_error
                          bad_gateway service_unavailable gateway_timeout)a
        )

  @spec show(Plug.Conn.t(), map()) :: Plug.Conn.t() | {:error, ApiError.t() | Error.t()}
  def show(conn, %{user_id: user_id} = params) do
    user_id = String.downcase(user_id)

    with :ok <- permitted(conn.assigns.current_user, user_id),
         {:ok, options} <- options(conn, params),
         {:ok, answer} <- Recommendations.for_user(user_id, options),
         do: answer(conn, answer)
  end

  operation :similar,
    operation_id: "similarItems",
    summary: "The items that are most like another",
    parameters: [id: ApiSpec.path("Of a public item", Schemas.Parts.id())] ++ ApiSpec.ranking(),
    responses:
      [ok: ApiSpec.json("Items, most alike first", Schemas.Recommendations)] ++
        ApiSpec.errors(
          ~w(bad_request unauthorized not_found unprocessable_entity internal_server_error bad_gateway
                          service_unavailable gateway_timeout)a
        )

  @spec similar(Plug.Conn.t(), map()) :: Plug.Conn.t() | {:error, ApiError.t() | Error.t()}
  def similar(conn, %{id: id} = params) do
    with {:ok, item} <- public_item(id),
         {:ok, options} <- options(conn, params),
         {:ok, answer} <- Recommendations.similar(item.id, options),
         do: answer(conn, answer)
  end

  defp permitted(%{id: id}, id), do: :ok

  defp permitted(user, id) do
    cond do
      not Accounts.admin?(user) ->
        {:error, ApiError.new(403, :forbidden, "only administrators may see what others are recommended")}

      Accounts.get_user(id) == nil ->
        {:error, ApiError.new(404, :unknown_user, "there is no user #{id}", field: "user_id", got: id)}

      true ->
        :ok
    end
  end

  # One that is private is as unknown as one that never was.
  defp public_item(id) do
    case Content.get_public_item(id) do
      nil -> {:error, ApiError.new(404, :unknown_item, "there is no public item #{id}", field: "id", got: id)}
      item -> {:ok, item}
    end
  end

  # A request that has waited all its time is nobody's any more: it is not begun, and a list would be as late.
  defp options(conn, params) do
    case Received.left_ms(conn, timeout_ms(params)) do
      0 ->
        {:error, Error.new(:deadline_exceeded, "the request has waited for all the time that it had")}

      left ->
        {:ok,
         [
           timeout: left,
           n: params.n,
           fallback: params.fallback,
           kinds: params[:kind],
           exclude: params[:exclude]
         ]}
    end
  end

  defp timeout_ms(params) do
    given = for key <- [:timeout_ms, :"x-request-timeout-ms"], ms = params[key], do: ms
    Enum.min(given, fn -> @timeout_ms end)
  end

  defp answer(conn, answer), do: conn |> assign(:answer, answer) |> render(:show)
end
