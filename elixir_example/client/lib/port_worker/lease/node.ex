defmodule PortWorker.Lease.Node do
  @moduledoc """
  Places a worker on a node of the cluster, under a supervisor there.

      # on the nodes that are to have workers
      {DynamicSupervisor, name: MyApp.Workers}

      # where they are called
      {PortWorker.Lease,
       name: MyApp.Recommender,
       placement: {PortWorker.Lease.Node, nodes: [:"gpu1@10.0.0.7", :"gpu2@10.0.0.8"], supervisor: MyApp.Workers},
       command: command, args: args}

    * `:nodes` - the nodes that may have it, best first; or a function that lists them, such as `&Node.list/0`
    * `:supervisor` - the name of a `DynamicSupervisor` that runs on each

  Nodes that are connected and answer are tried first, in their order; those that are connected and say nothing are left
  out. They need this library's code, as another instance of the same release has it. With `max_children: 1` a supervisor
  takes one worker, and several leases, such as those of a `PortWorker.Fleet`, get a node each.
  """

  @behaviour PortWorker.Lease.Placement

  # How long a node that is connected may take to say that it lives.
  @answer_ms 1_000

  @impl true
  def validate!(options) do
    case Enum.sort(options) do
      [nodes: nodes, supervisor: supervisor] when is_atom(supervisor) and supervisor != nil ->
        if not (is_function(nodes, 0) or nodes?(nodes)),
          do:
            raise(
              ArgumentError,
              "expected :nodes to be a list of nodes or a function that lists them, got: #{inspect(nodes)}"
            )

        Map.new(options)

      _other ->
        raise ArgumentError,
              "expected [nodes: nodes, supervisor: name of a DynamicSupervisor], got: #{inspect(options)}"
    end
  end

  defp nodes?(nodes), do: is_list(nodes) and nodes != [] and Enum.all?(nodes, &is_atom/1)

  @impl true
  def place(%{nodes: nodes, supervisor: supervisor}, child, timeout) do
    nodes = if is_function(nodes), do: nodes.(), else: nodes
    {connected, others} = Enum.split_with(nodes, &(&1 == node() or &1 in Node.list()))
    place_on(answering(connected) ++ others, supervisor, child, timeout, {:error, :no_node})
  end

  # Each is asked by a process of its own: one that asks a node that takes nothing may be suspended past every timeout.
  defp answering([]), do: []

  defp answering(nodes) do
    nodes
    |> Task.async_stream(&answers?/1,
      timeout: @answer_ms,
      on_timeout: :kill_task,
      max_concurrency: length(nodes)
    )
    |> Enum.zip(nodes)
    |> Enum.flat_map(fn {answer, node} -> if answer == {:ok, true}, do: [node], else: [] end)
  end

  defp answers?(node) do
    :erpc.call(node, :erlang, :node, []) == node
  catch
    _kind, _gone -> false
  end

  defp place_on([], _supervisor, _child, _timeout, error), do: error

  defp place_on([node | others], supervisor, child, timeout, _error) do
    case start(node, supervisor, child, timeout) do
      {:ok, pid} -> {:ok, pid}
      error -> place_on(others, supervisor, child, timeout, error)
    end
  end

  defp start(node, supervisor, child, timeout) do
    :erpc.call(node, DynamicSupervisor, :start_child, [supervisor, child], timeout)
  catch
    _kind, reason -> {:error, {node, reason}}
  end
end
