defmodule Sekai.Jobs.Away do
  @moduledoc """
  Whether a job can't be done for the moment, because the worker or the database is away. Then it is snoozed: that is not
  the job's fault, and takes none of its attempts.
  """

  alias PortWorker.Error

  @worker ~w(worker_down worker_hung boot_timeout overloaded draining swap_in_progress training_in_progress)a
  @database ~w(admin_shutdown crash_shutdown cannot_connect_now too_many_connections)a

  @doc "Whether the error says that the worker is not to be had now."
  @spec worker?(Error.t()) :: boolean()
  def worker?(%Error{code: code}), do: code in @worker

  @doc "Whether the exception says that the database is not to be had now."
  @spec database?(Exception.t()) :: boolean()
  def database?(%DBConnection.ConnectionError{}), do: true
  def database?(%Postgrex.Error{postgres: %{code: code}}), do: code in @database
  def database?(_other), do: false

  @doc "Runs a job's `fun`, and snoozes the job for `seconds` where the database goes away meanwhile."
  @spec snooze((-> result), pos_integer()) :: result | {:snooze, pos_integer()} when result: term()
  def snooze(fun, seconds) do
    fun.()
  rescue
    error -> if database?(error), do: {:snooze, seconds}, else: reraise(error, __STACKTRACE__)
  end

  @doc "Runs `fun` again every second while the database is away, `patience` times at most, where its work was dear."
  @spec patiently((-> result), pos_integer()) :: result when result: term()
  def patiently(fun, patience \\ 300) do
    fun.()
  rescue
    error ->
      if patience == 0 or not database?(error), do: reraise(error, __STACKTRACE__)
      Process.sleep(1_000)
      patiently(fun, patience - 1)
  end
end
