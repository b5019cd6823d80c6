defmodule SekaiWeb.Plugs.CastError do
  @moduledoc """
  Answers a request that is not as the API's description has it; of several mistakes it names the first.

  Made for `render_error:` of `OpenApiSpex.Plug.CastAndValidate`.
  """

  @behaviour Plug

  alias OpenApiSpex.Cast.Error
  alias OpenApiSpex.{OpenApi, Operation, Plug.PutApiSpec, Reference, Schema}
  alias SekaiWeb.ApiError

  # What is said of a value that came.
  @shown 80

  @impl true
  @spec init([Error.t()]) :: [Error.t()]
  def init(errors), do: errors

  @impl true
  @spec call(Plug.Conn.t(), [Error.t()]) :: Plug.Conn.t()
  def call(conn, [error | _more]), do: ApiError.respond(conn, describe(error, schema(conn, error.path)))

  defp describe(%Error{reason: :unexpected_field} = error, _schema) do
    field = field(error.path)
    ApiError.new(400, :unknown_parameter, "#{field} is not a parameter of this", field: field)
  end

  defp describe(%Error{reason: :missing_field} = error, _schema) do
    field = field(error.path)
    ApiError.new(400, :missing_parameter, "#{field} is missing", field: field)
  end

  defp describe(%Error{reason: reason} = error, _schema) when reason in [:missing_header, :invalid_header] do
    about = [field: "content-type", expected: "application/json", got: error.value || "none"]
    ApiError.new(415, :unsupported_media_type, "the body is of another type than JSON", about)
  end

  defp describe(error, schema) do
    {field, expected, got} = {field(error.path), expected(error, schema), got(error)}

    ApiError.new(400, :invalid_parameter, "#{field}: expected #{expected}, got #{got}",
      field: field,
      expected: expected,
      got: got
    )
  end

  # interactions[3].user_id
  defp field([]), do: "body"

  defp field([first | path]) do
    for step <- path, into: "#{first}", do: if(is_integer(step), do: "[#{step}]", else: ".#{step}")
  end

  defp expected(%Error{reason: :invalid_enum}, %Schema{enum: values}),
    do: "one of #{Enum.map_join(values, ", ", &to_string/1)}"

  defp expected(%Error{reason: :invalid_format, format: :uuid}, _schema), do: "a UUID"
  defp expected(%Error{reason: :invalid_format, format: :"date-time"}, _schema), do: "a time as of ISO 8601"
  defp expected(%Error{reason: :invalid_format, format: %Regex{} = format}, _), do: "#{Regex.source(format)}"
  defp expected(%Error{reason: :minimum, length: least}, _schema), do: "at least #{least}"
  defp expected(%Error{reason: :maximum, length: most}, _schema), do: "at most #{most}"
  defp expected(%Error{reason: :min_items, length: least}, _schema), do: "at least #{least} of them"
  defp expected(%Error{reason: :max_items, length: most}, _schema), do: "at most #{most} of them"
  defp expected(%Error{reason: :max_length, length: most}, _schema), do: "at most #{most} characters"
  defp expected(%Error{reason: :min_length, length: least}, _schema), do: "at least #{least} characters"
  defp expected(%Error{type: type}, _schema) when type in [:integer, :array, :object], do: "an #{type}"
  defp expected(%Error{type: type}, _schema) when is_atom(type) and type != nil, do: "a #{type}"
  defp expected(error, _schema), do: Error.message(error)

  defp got(%Error{reason: reason, value: list}) when reason in [:min_items, :max_items] and is_list(list),
    do: "#{length(list)}"

  defp got(%Error{value: value}) do
    text = inspect(value, limit: 5, printable_limit: @shown)
    if String.length(text) > @shown, do: String.slice(text, 0, @shown) <> "...", else: text
  end

  # The cast does not say which values an enumeration has; the description does.
  defp schema(conn, path) do
    {%OpenApi{components: components}, operations} = PutApiSpec.get_spec_and_operation_lookup(conn)
    %Operation{} = operation = operations[conn.private.open_api_spex.operation_id]
    walk(start(operation, path), path, components.schemas)
  end

  defp start(operation, [name | _path]) do
    case Enum.find(operation.parameters, &(&1.name == name)) do
      nil -> operation.requestBody && operation.requestBody.content["application/json"].schema
      parameter -> %Schema{type: :object, properties: %{name => parameter.schema}}
    end
  end

  defp start(_operation, []), do: nil

  defp walk(%Reference{} = reference, path, schemas),
    do: walk(Reference.resolve_schema(reference, schemas), path, schemas)

  defp walk(%Schema{items: items}, [step | path], schemas) when is_integer(step), do: walk(items, path, schemas)

  defp walk(%Schema{properties: %{} = properties}, [step | path], schemas) when is_map_key(properties, step),
    do: walk(properties[step], path, schemas)

  defp walk(schema, _path, _schemas), do: schema
end
