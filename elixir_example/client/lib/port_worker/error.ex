defmodule PortWorker.Error do
  @moduledoc """
  What every call answers when it could not be done: `{:error, %PortWorker.Error{}}`.

    * `:code` - what went wrong, from a closed set: the worker's codes (`protocol/SPEC.md` lists them) and those
      of this client, below
    * `:message` - a sentence for people; it names the field, what was expected and what came
    * `:retryable?` - whether the same call may succeed later without being changed
    * `:details` - data about the error, with string keys

  Codes that this client raises by itself:

  | code | meaning | retryable? |
  |---|---|---|
  | `:worker_down` | the worker is not running, or died before it answered | yes |
  | `:worker_hung` | the worker answered no ping for `:hang_after`; it was killed | yes |
  | `:flooded` | the worker said more unasked than its host can take; it was killed | yes |
  | `:boot_timeout` | the worker did not say hello within `:boot_timeout` | yes |
  | `:malformed_frame` | the worker sent what the protocol does not allow; it was killed | yes |
  | `:unsupported_protocol` | the worker speaks another version of the protocol; it was killed | no |
  | `:overloaded` | `:max_in_flight` calls are unanswered, or the worker's pipe is full, and `:max_queue` calls wait | yes |
  | `:deadline_exceeded` | the call's `timeout:` passed; it was cancelled in the worker | yes |
  | `:cancelled` | `PortWorker.cancel/2` was called, or the process that a training belongs to has ended | no |
  | `:progress_failed` | the progress function of `PortWorker.retrain_async/2` raised; the training was cancelled | no |
  | `:frame_too_large` | the call is larger than the worker accepts | no |
  | `:invalid_argument` | an argument is of a type that the wire cannot carry, or the `:ref` is another call's | no |
  """

  @enforce_keys [:code, :message]
  defexception [:code, :message, retryable?: false, details: %{}]

  @typedoc "An error, which is an exception as well: the twins of calls that end in `!` raise it."
  @type t :: %__MODULE__{
          code: atom(),
          message: String.t(),
          retryable?: boolean(),
          details: %{optional(String.t()) => term()}
        }

  @retryable ~w(worker_down worker_hung flooded boot_timeout malformed_frame overloaded deadline_exceeded)a

  @doc """
  An error of the client's own.

      iex> PortWorker.Error.new(:overloaded, "64 calls are in flight")
      %PortWorker.Error{code: :overloaded, message: "64 calls are in flight", retryable?: true, details: %{}}
  """
  @spec new(atom(), String.t(), map()) :: t()
  def new(code, message, details \\ %{}) do
    %__MODULE__{code: code, message: message, retryable?: code in @retryable, details: details}
  end
end
