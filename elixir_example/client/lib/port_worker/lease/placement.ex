defmodule PortWorker.Lease.Placement do
  @moduledoc """
  Where a `PortWorker.Lease` has its worker: a module that starts one process somewhere.

  There are `PortWorker.Lease.Flame` and `PortWorker.Lease.Node`. One of your own is given the same way, as
  `placement: {MyModule, options}`.
  """

  @doc "Checks the options of the placement when the lease starts; raises `ArgumentError` for a mistake."
  @callback validate!(keyword()) :: config :: term()

  @doc """
  Starts the child, never to be restarted there, and answers its pid.

  It runs in a process of its own, which then ends: the child must not be linked to it. What it raises or exits with, and
  that it is killed, counts as an error: the lease tries again later. The child stops by itself when the lease is gone.
  """
  @callback place(config :: term(), child :: Supervisor.child_spec(), timeout()) ::
              {:ok, pid()} | {:error, term()}
end
