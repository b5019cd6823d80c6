defmodule SekaiWeb.ErrorJSON do
  @moduledoc "What a request gets that no controller answered."

  @spec render(String.t(), map()) :: map()
  def render(template, _assigns),
    do: %{error: %{code: code(template), message: Phoenix.Controller.status_message_from_template(template)}}

  defp code(template),
    do:
      template
      |> Phoenix.Controller.status_message_from_template()
      |> String.downcase()
      |> String.replace(" ", "_")
end
