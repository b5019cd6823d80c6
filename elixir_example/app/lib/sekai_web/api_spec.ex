defmodule SekaiWeb.ApiSpec do
  @moduledoc "The API's description: what the controllers say of their operations, put together. See `GET /api/openapi`."

  @behaviour OpenApiSpex.OpenApi

  alias OpenApiSpex.{Components, Info, MediaType, OpenApi, Paths, Response, Schema, SecurityScheme, Server}
  alias SekaiWeb.{Endpoint, Router, Schemas}

  @most_items 100
  @longest_ms 60_000

  @impl OpenApi
  @spec spec() :: OpenApi.t()
  def spec do
    OpenApiSpex.resolve_schema_modules(%OpenApi{
      info: %Info{title: "Sekai", version: "1", description: "Recommendations of avatars, maps and props."},
      servers: [Server.from_endpoint(Endpoint)],
      paths: Paths.from_router(Router),
      components: %Components{securitySchemes: %{"bearer" => %SecurityScheme{type: "http", scheme: "bearer"}}}
    })
  end

  @doc "A JSON answer of an operation."
  @spec json(String.t(), module()) :: {String.t(), String.t(), module()}
  def json(description, schema), do: {description, "application/json", schema}

  @doc "The errors of an operation, by the names of their statuses."
  @spec errors([atom()]) :: keyword()
  def errors(statuses) do
    for status <- statuses do
      phrase = status |> Plug.Conn.Status.code() |> Plug.Conn.Status.reason_phrase()

      {status,
       %Response{description: phrase, content: %{"application/json" => %MediaType{schema: Schemas.Error}}}}
    end
  end

  @doc "The parameters of a list of items."
  @spec ranking() :: keyword()
  def ranking do
    [
      n: [in: :query, description: "How many items", schema: integer(1, @most_items, 10)],
      kind: list("Of which kinds; any, if not said", Schemas.Parts.kind()),
      exclude: list("Ids of items that must not be among them", Schemas.Parts.id()),
      timeout_ms: [in: :query, description: deadline(), schema: integer(1, @longest_ms)],
      "x-request-timeout-ms": [
        in: :header,
        description: "As timeout_ms; of the two the smaller one counts",
        schema: integer(1, @longest_ms)
      ],
      fallback: [
        in: :query,
        description: "Whether a stored or popular list will do where no worker answers in time",
        schema: %Schema{type: :boolean, default: true}
      ]
    ]
  end

  defp deadline,
    do:
      "Milliseconds until the answer has to be there, from when the request came; 250, if nothing else is said"

  defp integer(least, most, default \\ nil),
    do: %Schema{type: :integer, minimum: least, maximum: most, default: default}

  defp list(description, item) do
    [
      in: :query,
      style: :form,
      explode: false,
      description: description <> ". Separated by commas, or the parameter repeated",
      schema: %Schema{type: :array, items: item, minItems: 1, maxItems: @most_items}
    ]
  end

  @doc "A parameter of the path."
  @spec path(String.t(), Schema.t()) :: keyword()
  def path(description, schema), do: [in: :path, required: true, description: description, schema: schema]
end
