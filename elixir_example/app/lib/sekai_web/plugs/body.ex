defmodule SekaiWeb.Plugs.Body do
  @moduledoc "`Plug.Parsers`, but a body that can't be read is answered as any other mistake; options are those."

  @behaviour Plug

  alias SekaiWeb.ApiError

  @impl true
  @spec init(keyword()) :: term()
  def init(options), do: {Keyword.get(options, :length, 8_000_000), Plug.Parsers.init(options)}

  @impl true
  @spec call(Plug.Conn.t(), term()) :: Plug.Conn.t()
  def call(conn, {length, parsers}) do
    Plug.Parsers.call(conn, parsers)
  rescue
    _error in Plug.Parsers.ParseError ->
      refuse(conn, 400, :malformed_body, "the body is not of its content-type", expected: "JSON", field: "body")

    _error in Plug.Parsers.RequestTooLargeError ->
      expected = "at most #{length} bytes"
      refuse(conn, 413, :body_too_large, "the body is too large", field: "body", expected: expected)

    error in Plug.Parsers.UnsupportedMediaTypeError ->
      about = [field: "content-type", expected: "application/json", got: error.media_type]
      refuse(conn, 415, :unsupported_media_type, "the body is of another type than JSON", about)

    _error in [Plug.Parsers.BadEncodingError, Plug.Conn.InvalidQueryError] ->
      refuse(conn, 400, :malformed_query, "the address or the body is not UTF-8", expected: "UTF-8")
  end

  defp refuse(conn, status, code, message, about),
    do: ApiError.respond(conn, ApiError.new(status, code, message, about))
end
