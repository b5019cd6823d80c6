defmodule MyAppWeb do
  @moduledoc "The application of the guides, as far as they use it: what Phoenix gives a controller."

  defmacro __using__(:controller), do: quote(do: import(MyAppWeb))

  def render(_conn, template, assigns), do: {template, Map.new(assigns)}
  def put_resp_header(conn, name, value), do: Map.put(conn, name, value)
  def send_resp(conn, status, body), do: {status, body, conn}
end

defmodule MyApp.Catalogue do
  @moduledoc "What the guides' application has in its own database."

  def best_sellers, do: ["m1"]
end
