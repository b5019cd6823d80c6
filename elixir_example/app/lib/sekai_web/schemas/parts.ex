defmodule SekaiWeb.Schemas.Parts do
  @moduledoc "What occurs in more than one schema."

  alias OpenApiSpex.Schema
  alias Sekai.Content.Item

  @doc "The most interactions that a request may have."
  @spec max_batch() :: pos_integer()
  def max_batch, do: 1_000

  @doc "A UUID."
  @spec id() :: Schema.t()
  def id, do: %Schema{type: :string, format: :uuid}

  @doc "A kind of items."
  @spec kind() :: Schema.t()
  def kind, do: %Schema{type: :string, enum: Item.kinds()}

  @doc "A version of the model."
  @spec version() :: Schema.t()
  def version, do: %Schema{type: :string, pattern: ~r/^[A-Za-z0-9._-]{1,128}$/}

  @doc "Text; options are fields of the schema."
  @spec text(keyword()) :: Schema.t()
  def text(options \\ []), do: struct!(%Schema{type: :string}, options)

  @doc "A time as of ISO 8601."
  @spec time(keyword()) :: Schema.t()
  def time(options \\ []), do: struct!(%Schema{type: :string, format: :"date-time"}, options)
end
