defmodule SekaiWeb.ErrorHTML do
  @moduledoc "What a page gets that could not be shown."

  @spec render(String.t(), map()) :: String.t()
  def render(template, _assigns), do: Phoenix.Controller.status_message_from_template(template)
end
