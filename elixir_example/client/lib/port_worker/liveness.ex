defmodule PortWorker.Liveness do
  @moduledoc false
  # Whether a worker that says nothing still could: it is pinged now and then, and has `hang_after` milliseconds to
  # answer. A busy worker answers between two slices of its work.
  #
  #     quiet --hang_after / 2--> asked --answer--> quiet
  #                                    \--hang_after--> hung
  #
  # One that may hang for ever is not pinged. Credits of calls that it never ends are freed all the same.

  alias PortWorker.{Error, Flow}

  # How long a worker that may hang for ever has to end a call that was given up.
  @forget_ms 30_000

  @enforce_keys [:hang_after]
  defstruct @enforce_keys ++ [:id, :timer]

  @type t :: %__MODULE__{hang_after: timeout(), id: non_neg_integer() | nil, timer: reference() | nil}

  @spec new(timeout()) :: t()
  def new(hang_after), do: %__MODULE__{hang_after: hang_after}

  @doc "Has the calling process be sent `:probe` when the worker is to be pinged."
  @spec rest(t()) :: t()
  def rest(liveness) do
    if liveness.timer, do: Process.cancel_timer(liveness.timer)
    %{liveness | id: nil, timer: Process.send_after(self(), :probe, max(div(patience(liveness), 2), 1))}
  end

  @doc "Pings the worker, and has the calling process be sent `{:hung, id}` where it does not answer."
  @spec probe(t(), Flow.t()) :: {t(), Flow.t()}
  def probe(liveness, flow) do
    # A worker that never ends what it was told to cancel is not to keep the credits for ever.
    ping(liveness, Flow.forget_given_up(flow, patience(liveness)))
  end

  defp ping(%{hang_after: :infinity} = liveness, flow), do: {rest(liveness), flow}

  defp ping(%{hang_after: hang_after} = liveness, flow) do
    {id, flow} = Flow.ping(flow)
    {%{liveness | id: id, timer: Process.send_after(self(), {:hung, id}, hang_after)}, flow}
  end

  defp patience(%{hang_after: :infinity}), do: @forget_ms
  defp patience(%{hang_after: hang_after}), do: hang_after

  @doc "What became of a worker that does not answer."
  @spec hung(t()) :: Error.t()
  def hung(%{hang_after: hang_after}) do
    message = "the worker answered no ping for #{hang_after} ms"
    Error.new(:worker_hung, message, %{"hang_after" => hang_after})
  end
end
