defmodule SekaiWeb.FallbackController do
  @moduledoc "What an action returns in place of an answer, as an answer."

  use Phoenix.Controller, formats: [:json]

  alias SekaiWeb.ApiError

  @spec call(Plug.Conn.t(), {:error, ApiError.t() | PortWorker.Error.t() | Ecto.Changeset.t()}) :: Plug.Conn.t()
  def call(conn, {:error, %ApiError{} = error}), do: ApiError.respond(conn, error)
  def call(conn, {:error, %PortWorker.Error{} = error}), do: ApiError.respond(conn, ApiError.from(error))

  def call(conn, {:error, %Ecto.Changeset{errors: [{field, error} | _more]}}) do
    message = "#{field} #{Sekai.Schema.message(error)}"
    ApiError.respond(conn, ApiError.new(422, :invalid_parameter, message, field: "#{field}"))
  end
end
