defmodule SekaiWeb.Plugs.Validate do
  @moduledoc """
  Checks a request against the API's description, and puts what it says in place of `params` and `body_params`.

  It is `OpenApiSpex.Plug.CastAndValidate`, but that a query is names with one text each: a name that is there more than
  once has its texts joined by commas, so `kind=map&kind=prop` is `kind=map,prop`; and there are no nested names, so
  `kind[a]` is one that nobody knows.
  """

  @behaviour Plug

  alias OpenApiSpex.Plug.{CastAndValidate, PutApiSpec}
  alias SekaiWeb.{ApiError, Plugs.CastError}

  @impl true
  @spec init(keyword()) :: term()
  def init(_options), do: CastAndValidate.init(render_error: CastError)

  @impl true
  @spec call(Plug.Conn.t(), term()) :: Plug.Conn.t()
  def call(conn, options), do: conn |> flat() |> CastAndValidate.call(options) |> refuse_unasked()

  defp flat(%{query_string: ""} = conn), do: conn

  defp flat(conn) do
    query =
      for {name, value} <- URI.query_decoder(conn.query_string), reduce: %{} do
        query -> Map.update(query, name, value, &(&1 <> "," <> value))
      end

    %{conn | query_params: query}
  end

  # Where no parameter of the query is described, the cast looks at none.
  defp refuse_unasked(%{halted: false, query_params: query} = conn) when map_size(query) > 0 do
    {_spec, operations} = PutApiSpec.get_spec_and_operation_lookup(conn)
    operation = operations[conn.private.open_api_spex.operation_id]
    if Enum.any?(operation.parameters, &(&1.in == :query)), do: conn, else: refuse(conn, query)
  end

  defp refuse_unasked(conn), do: conn

  defp refuse(conn, query) do
    name = query |> Map.keys() |> List.first()

    ApiError.respond(
      conn,
      ApiError.new(400, :unknown_parameter, "#{name} is not a parameter of this", field: name)
    )
  end
end
