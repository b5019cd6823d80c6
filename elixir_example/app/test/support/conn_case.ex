defmodule SekaiWeb.ConnCase do
  @moduledoc "Tests that ask the endpoint, with the database of `Sekai.DataCase`."

  use ExUnit.CaseTemplate

  import ExUnit.Assertions
  import OpenApiSpex.TestAssertions
  import Phoenix.ConnTest, only: [json_response: 2]
  import Plug.Conn

  using do
    quote do
      use Sekai.DataCase

      import Phoenix.ConnTest
      import Plug.Conn
      import SekaiWeb.ConnCase

      @endpoint SekaiWeb.Endpoint
    end
  end

  setup do
    {:ok, conn: Phoenix.ConnTest.build_conn()}
  end

  @doc "A request with the token of `user`."
  @spec as(Plug.Conn.t(), Sekai.Accounts.User.t()) :: Plug.Conn.t()
  def as(conn, user), do: put_req_header(conn, "authorization", "Bearer " <> Sekai.Accounts.token(user))

  @doc "A request with a body of JSON."
  @spec body(Plug.Conn.t()) :: Plug.Conn.t()
  def body(conn), do: put_req_header(conn, "content-type", "application/json")

  @doc """
  The answer, which has this status, and is as the API's description has it for the operation and that status.
  """
  @spec described(Plug.Conn.t(), pos_integer()) :: term()
  def described(conn, status) do
    answer = json_response(conn, status)
    spec = SekaiWeb.ApiSpec.spec()
    response = operation(conn, spec).responses[status] || flunk("#{status} is not described")
    assert_raw_schema(answer, response.content["application/json"].schema, spec)
    answer
  end

  @doc "The error of an answer with this status, which is as it is described."
  @spec error(Plug.Conn.t(), pos_integer()) :: map()
  def error(conn, status), do: described(conn, status)["error"]

  defp operation(conn, spec) do
    %{route: route} = Phoenix.Router.route_info(SekaiWeb.Router, conn.method, conn.request_path, conn.host)
    path = Regex.replace(~r/:(\w+)/, route, "{\\1}")
    method = conn.method |> String.downcase() |> String.to_existing_atom()
    Map.fetch!(spec.paths[path], method)
  end
end
