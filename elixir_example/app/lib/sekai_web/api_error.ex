defmodule SekaiWeb.ApiError do
  @moduledoc """
  How the API says that it could not: a status, and

      {"error": {"code": "...", "message": "...", "field": "n", "expected": "at most 100", "got": "1000"}}

  `field`, `expected` and `got` are there where one field is to blame. What may be asked again later, 503, has a
  `Retry-After`.
  """

  import Plug.Conn

  alias PortWorker.Error

  @enforce_keys [:status, :code, :message]
  defstruct [:status, :code, :message, :field, :expected, :got]

  @type t :: %__MODULE__{
          status: Plug.Conn.int_status(),
          code: atom(),
          message: String.t(),
          field: String.t() | nil,
          expected: String.t() | nil,
          got: String.t() | nil
        }

  # One row for each code of `protocol/SPEC.md` and of `PortWorker.Error`.
  @of_worker %{
    # What was asked for can't be had.
    unknown_item: 404,
    unknown_version: 404,
    invalid_argument: 422,
    unsupported_option: 422,
    unknown_algorithm: 422,
    invalid_hyperparameter: 422,
    reply_too_large: 422,
    too_many_hidden: 422,
    frame_too_large: 413,
    # Something else is going on.
    training_in_progress: 409,
    swap_in_progress: 409,
    no_previous_version: 409,
    cancelled: 409,
    # This application has made a mistake.
    malformed_term: 500,
    malformed_message: 500,
    id_in_use: 500,
    unknown_op: 500,
    missing_argument: 500,
    unknown_argument: 500,
    progress_failed: 500,
    # This worker is not made for it.
    algorithm_unavailable: 501,
    training_unavailable: 501,
    # The worker, or what it reads, is broken.
    internal: 502,
    model_damaged: 502,
    training_failed: 502,
    malformed_frame: 502,
    unsupported_protocol: 502,
    source_missing: 502,
    source_unreadable: 502,
    source_missing_column: 502,
    source_invalid_row: 502,
    source_empty: 502,
    # Later it may be well.
    overloaded: 503,
    draining: 503,
    no_model: 503,
    worker_down: 503,
    worker_hung: 503,
    flooded: 503,
    boot_timeout: 503,
    store_unavailable: 503,
    feedback_unavailable: 503,
    deadline_exceeded: 504
  }

  # Seconds. By then a worker that died has booted.
  @retry_after "1"

  @doc "The status of each code of a worker or its client."
  @spec worker_statuses() :: %{atom() => Plug.Conn.int_status()}
  def worker_statuses, do: @of_worker

  @doc "An error; `about` may have `:field`, `:expected` and `:got`."
  @spec new(Plug.Conn.int_status(), atom(), String.t(), keyword()) :: t()
  def new(status, code, message, about \\ []),
    do: struct!(%__MODULE__{status: status, code: code, message: message}, about)

  @doc "What a worker, the database or an exception comes to."
  @spec from(Error.t() | Exception.t()) :: t()
  def from(%Error{code: code, message: message, details: details}) do
    about = for key <- [:field, :expected, :got], text = details["#{key}"], is_binary(text), do: {key, text}
    new(Map.get(@of_worker, code, 500), code, message, about)
  end

  def from(%DBConnection.ConnectionError{}),
    do: new(503, :database_unavailable, "the database did not answer")

  def from(%Postgrex.Error{postgres: %{code: code}}) when code in [:serialization_failure, :deadlock_detected],
    do: new(503, :contention, "others are writing the same; nothing was written")

  def from(%Postgrex.Error{postgres: %{code: code}})
      when code in [:character_not_in_repertoire, :untranslatable_character],
      do: new(400, :invalid_argument, "a text has characters that can't be stored")

  def from(%Phoenix.Router.NoRouteError{conn: conn}),
    do: new(404, :unknown_route, "there is no #{conn.method} #{conn.request_path}")

  def from(exception) do
    case Plug.Exception.status(exception) do
      status when status < 500 -> new(status, Plug.Conn.Status.reason_atom(status), sentence(status))
      _own_fault -> new(500, :internal, "something went wrong here; the log has it")
    end
  end

  defp sentence(status), do: status |> Plug.Conn.Status.reason_phrase() |> String.downcase()

  @doc "Answers the request with an error, and halts it."
  @spec respond(Plug.Conn.t(), t()) :: Plug.Conn.t()
  def respond(conn, %__MODULE__{status: status} = error) do
    conn
    |> put_private(:sekai_error, error.code)
    |> retry_after(status)
    |> put_resp_content_type("application/json")
    |> send_resp(status, Jason.encode_to_iodata!(body(error)))
    |> halt()
  end

  defp retry_after(conn, 503), do: put_resp_header(conn, "retry-after", @retry_after)
  defp retry_after(conn, _status), do: conn

  @doc "What is sent of an error."
  @spec body(t()) :: map()
  def body(error) do
    %{
      error:
        for(
          {key, value} when value != nil <- Map.from_struct(error),
          key != :status,
          into: %{},
          do: {key, value}
        )
    }
  end
end
