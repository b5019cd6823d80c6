defmodule Sekai.Streams.Events do
  @moduledoc """
  The stream format of this application: each buffer's payload is one struct, of the module `of`.

  That is `Sekai.Streams.Event` before a `Sekai.Streams.RecommendFilter`, and `Sekai.Streams.Recommended` after it. So
  demands are in buffers: a struct has no bytes.
  """

  @enforce_keys [:of]
  defstruct [:of]

  @type t :: %__MODULE__{of: Sekai.Streams.Event | Sekai.Streams.Recommended}
end
