defmodule PortWorker.FleetWorkerTest do
  # A fleet of real workers, each on a node and in a home of its own, that share a store.
  use ExUnit.Case, async: false

  import PortWorker.Eventually

  alias PortWorker.{Cluster, Error, Fleet, Lease, Real}

  @moduletag timeout: 300_000

  setup_all do
    :ok = Cluster.start()
    nodes = for _ <- 1..2, do: Cluster.start_node(1)
    on_exit(fn -> Enum.each(nodes, &Cluster.kill/1) end)
    homes = Real.temporary_home()
    # As on machines of their own: a new folder for each worker.
    script = ~s(exec "#{Real.command()}" --home "#{homes}/$$" --fixture)

    options = [
      name: __MODULE__.Fleet,
      min: 2,
      max: 2,
      placement: {Lease.Node, nodes: Enum.map(nodes, & &1.name), supervisor: Cluster.supervisor()},
      command: "sh",
      args: ["-c", script],
      env: [{"PORT_WORKER_STORE", "file://#{homes}/store"}, {"PORT_WORKER_WATCH_SECONDS", "0.2"}],
      boot_timeout: 120_000
    ]

    start_supervised!({Fleet, options})
    assert Fleet.await_ready(__MODULE__.Fleet, 120_000) == :ok
    %{fleet: __MODULE__.Fleet}
  end

  defp each(fleet, fun), do: fleet |> Fleet.leases() |> Enum.map(&fun.(&1.name))

  defp serves?(lease, version) do
    with {:ok, %{active: ^version}} <- PortWorker.models(lease),
         {:ok, %{model: %{version: ^version}}} <- PortWorker.status(lease),
         do: true,
         else: (_other -> false)
  end

  test "one trains and all serve; what is activated, told and hidden holds for all", %{fleet: fleet} do
    assert {:ok, %{version: first}} = PortWorker.retrain(fleet, algorithm: "ALS")
    assert eventually(fn -> Enum.all?(each(fleet, &serves?(&1, first))) end)
    assert {:ok, %{version: second}} = PortWorker.retrain(fleet, algorithm: "ALS", seed: 7, activate: :force)
    assert eventually(fn -> Enum.all?(each(fleet, &serves?(&1, second))) end)

    # No eventually: it answers when all do.
    assert {:ok, %{version: ^first}} = PortWorker.activate(fleet, first)
    assert [true, true] = each(fleet, &serves?(&1, first))
    assert {:ok, %{version: ^second}} = PortWorker.rollback(fleet)
    assert [true, true] = each(fleet, &serves?(&1, second))

    {:ok, %{items: [{item, _}, {other, _} | _], source: :popular}} = PortWorker.recommend(fleet, "newcomer")
    assert {:ok, %{accepted: 1}} = PortWorker.feedback(fleet, %{user: "newcomer", item: item})
    assert {:ok, %{hidden: 1}} = PortWorker.hide_items(fleet, [other])

    for answer <- each(fleet, &PortWorker.recommend(&1, "newcomer", filter_consumed: false, n: 50)) do
      assert {:ok, %{source: :fold_in, items: items}} = answer
      refute List.keymember?(items, other, 0)
    end

    assert {:error, %Error{code: :unknown_version}} =
             PortWorker.activate(fleet, "20240101T000000Z-als-000000")

    assert {:ok, %{hidden: 0}} = PortWorker.show_items(fleet, [other])
  end
end
