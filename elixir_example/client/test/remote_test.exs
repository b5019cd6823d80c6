defmodule PortWorker.RemoteTest do
  # Callers on other nodes.
  use ExUnit.Case, async: false

  import PortWorker.Eventually

  alias PortWorker.{Cluster, Fake, OSProcess}

  @moduletag timeout: 120_000

  async_dist? = fn ->
    try do
      is_boolean(:erlang.process_flag(:async_dist, false))
    rescue
      ArgumentError -> false
    end
  end

  setup_all do: Cluster.start()

  setup do
    node = Cluster.start_node()
    on_exit(fn -> if OSProcess.alive?(node.os_pid), do: Cluster.kill(node) end)
    server = Fake.start("normal", drain_timeout: 0)
    {:ok, _facts} = PortWorker.await_ready(server)
    %{node: node, server: server}
  end

  defp spawn_caller(node, server, user, options),
    do: Node.spawn(node.name, PortWorker, :recommend, [server, user, options])

  defp await_in_flight(server, count) do
    assert eventually(fn -> match?({:ok, %{in_flight: ^count}}, PortWorker.info(server)) end)
  end

  test "are answered, and given up with their node", %{node: node, server: server} do
    assert {:ok, %{items: [{7, 1.0}]}} = :erpc.call(node.name, PortWorker, :recommend, [server, 7])
    spawn_caller(node, server, "silence", timeout: :infinity)
    await_in_flight(server, 1)
    Cluster.kill(node)
    assert eventually(fn -> match?({:ok, %{"cancelled" => [_id]}}, PortWorker.status(server)) end)
  end

  # Without the flag, which OTP 25.3 has, the connection cannot but wait: see PortWorker.Connection.
  if async_dist?.() do
    test "whose node takes nothing hold up nobody else", %{node: node, server: server} do
      # More than there is room for on the way.
      text = String.duplicate("x", 900_000)
      for _ <- 1..40, do: spawn_caller(node, server, "late echo", exclude: text, timeout: :infinity)
      await_in_flight(server, 40)
      Cluster.suspend(node)
      # It is answered after all of them.
      assert {:ok, %{exclude: nil}} = PortWorker.recommend(server, "late echo", timeout: 10_000)
      await_in_flight(server, 0)
    end
  end
end
