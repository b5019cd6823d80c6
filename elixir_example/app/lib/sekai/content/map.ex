defmodule Sekai.Content.Map do
  @moduledoc "A place to visit."

  use Sekai.Content.SharedContent, table: "maps"
end
