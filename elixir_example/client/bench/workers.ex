defmodule PortWorker.Bench.Workers do
  @moduledoc """
  The workers of a run, supervised as an application would have them: one that dies is started again.
  """

  # A run may kill its workers many times; what it finds then is not to be the end of the supervisor.
  @restarts 1_000

  @doc "Starts a supervisor, and a worker for each list of options."
  @spec start_link([keyword()]) :: Supervisor.on_start()
  def start_link(workers) do
    children =
      for {name, options} <- Enum.zip(names(workers), workers), do: {PortWorker, [name: name] ++ options}

    Supervisor.start_link(children, strategy: :one_for_one, max_restarts: @restarts)
  end

  @doc "The names of the connections, in the order of the workers."
  @spec names([keyword()]) :: [PortWorker.server()]
  def names(workers),
    do: for({_options, place} <- Enum.with_index(workers), do: Module.concat(__MODULE__, "W#{place}"))

  @doc "Waits until every worker answers."
  @spec await([PortWorker.server()], timeout()) :: :ok | {:error, PortWorker.Error.t()}
  def await(servers, timeout) do
    Enum.find_value(servers, :ok, fn server ->
      with {:ok, :pong} <- PortWorker.ping(server, timeout: timeout), do: nil
    end)
  end

  @doc "The process id of a connection's worker; 0 while there is none."
  @spec os_pid(PortWorker.server()) :: non_neg_integer()
  def os_pid(server) do
    with pid when is_pid(pid) <- GenServer.whereis(server),
         {:links, links} <- Process.info(pid, :links),
         port when is_port(port) <- Enum.find(links, &is_port/1),
         {:os_pid, os_pid} <- Port.info(port, :os_pid) do
      os_pid
    else
      _gone -> 0
    end
  end

  @doc "What each worker says of itself; `nil` for one that does not."
  @spec statuses([PortWorker.server()]) :: [map() | nil]
  def statuses(servers) do
    for server <- servers do
      case PortWorker.status(server) do
        {:ok, status} -> status
        {:error, _error} -> nil
      end
    end
  end

  @doc "Reductions of the connections so far: how much the BEAM computed for them."
  @spec reductions([PortWorker.server()]) :: non_neg_integer()
  def reductions(servers) do
    servers
    |> Enum.map(&GenServer.whereis/1)
    |> Enum.filter(&is_pid/1)
    |> Enum.map(&Process.info(&1, :reductions))
    |> Enum.reduce(0, fn
      {:reductions, count}, sum -> sum + count
      nil, sum -> sum
    end)
  end
end
