defmodule Sekai.Content.Avatar do
  @moduledoc "An avatar to be seen as."

  use Sekai.Content.SharedContent, table: "avatars"
end
