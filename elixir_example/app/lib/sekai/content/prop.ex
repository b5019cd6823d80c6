defmodule Sekai.Content.Prop do
  @moduledoc "A thing to put somewhere."

  use Sekai.Content.SharedContent, table: "props"
end
