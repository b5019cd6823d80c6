defmodule Sekai.Streams.Recommended do
  @moduledoc """
  An event with what its user is likely to want next: the payload of a buffer that a `Sekai.Streams.RecommendFilter`
  sends.

  `items`, `source` and `model` are those of `PortWorker.recommend/3`. Where there was no answer and the filter passes
  such events on, `items` is empty, and `error` says why.
  """

  alias Sekai.Streams.Event

  @enforce_keys [:event]
  defstruct [:event, :source, :model, :error, items: []]

  @type t :: %__MODULE__{
          event: Event.t(),
          items: [{String.t(), float()}],
          source: atom(),
          model: String.t() | nil,
          error: Exception.t() | nil
        }
end
