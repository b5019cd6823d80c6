defmodule Sekai.Streams do
  @moduledoc """
  Recommendations in streams, with Membrane: whoever did something gets what they are likely to want next.

  | module | what it is |
  |---|---|
  | `Sekai.Streams.RecommendFilter` | the filter: events in, recommendations out; goes into any pipeline |
  | `Sekai.Streams.InteractionSource` | a source of events from any enumerable, `Sekai.Streams.History` above all |
  | `Sekai.Streams.LiveSource` | a source of events as they are published with `publish/2` |
  | `Sekai.Streams.RecommendationSink` | a sink that stores recommendations in batches |
  | `Sekai.Streams.Pipeline` | all of it: what happened since the last run; `Sekai.Jobs.StreamWorker` runs it |

  Their stream format is `Sekai.Streams.Events`. The guide `guides/membrane.md` has how to use the filter elsewhere.

  ## Telemetry

  Times are in native units. `element` is the name of the element within its pipeline.

  | event | measurements | metadata |
  |---|---|---|
  | `[:sekai, :stream, :call]` | `duration`, `in_flight`: events within the filter, this one among them | `element`, `event`, `result`: `:recommended`, `:passed` or `:dropped`, `error`: nil or an exception |
  | `[:sekai, :stream, :page]` | `duration`, `read`: interactions, `kept`: of which so many go on | |
  | `[:sekai, :stream, :overflow]` | `dropped`: events that a `Sekai.Streams.LiveSource` had no room for | `element` |
  | `[:sekai, :stream, :stored]` | `duration`, `events`, `rows` | `element`, `cursor`: a name, or nil |
  | `[:sekai, :stream, :stop]` | `duration`, and the counts of `t:Sekai.Streams.Pipeline.counts/0` | `cursor`: a name, or nil |
  """

  alias Sekai.Streams.Event

  @topic "sekai:stream:events"

  @doc "Has every `Sekai.Streams.LiveSource` of this topic, on any node, take these events."
  @spec publish([Event.t()], String.t()) :: :ok | {:error, term()}
  def publish(events, topic \\ @topic) when is_list(events),
    do: Phoenix.PubSub.broadcast(Sekai.PubSub, topic, {:stream_events, events})

  @doc "The topic of `publish/2`, if not said otherwise."
  @spec topic() :: String.t()
  def topic, do: @topic

  @doc false
  @spec execute(atom(), map(), map()) :: :ok
  def execute(name, measurements, metadata),
    do: :telemetry.execute([:sekai, :stream, name], measurements, metadata)

  @doc false
  @spec since(integer()) :: integer()
  def since(start), do: System.monotonic_time() - start
end
