defmodule PortWorker.FleetTest do
  # Over nodes of this machine, with workers that are told what to do; test/fleet_worker_test.exs has real ones.
  use ExUnit.Case, async: false

  import PortWorker.Eventually

  alias PortWorker.{Cluster, Error, Fake, Fleet, Lease, OSProcess, Route}
  alias PortWorker.Pool.Keeper

  @moduletag timeout: 180_000

  setup_all do: Cluster.start()

  doctest PortWorker.Fleet

  # Each takes one worker.
  defp start_node do
    node = Cluster.start_node(1)
    on_exit(fn -> if OSProcess.alive?(node.os_pid), do: Cluster.kill(node) end)
    node
  end

  @still [grow_after: 3_600_000, idle_shutdown_after: 3_600_000]

  defp start(nodes, more) do
    name = :"fleet_#{System.unique_integer([:positive])}"
    placement = {Lease.Node, nodes: Enum.map(nodes, & &1.name), supervisor: Cluster.supervisor()}
    options = [name: name, placement: placement, backoff_min: 10, backoff_max: 100] ++ @still
    start_supervised!({Fleet, Fake.options("normal", Keyword.merge(options, more))}, id: name)
    assert Fleet.await_ready(name) == :ok
    name
  end

  defp in_flight(fleet), do: fleet |> Fleet.leases() |> Enum.map(& &1.in_flight) |> Enum.sum()
  defp states(fleet), do: fleet |> Fleet.leases() |> Enum.map(& &1.state)
  defp nodes(fleet), do: fleet |> Fleet.leases() |> Enum.map(& &1.node)

  # Calls that are never answered, one after the other, so that each sees those before.
  defp occupy(fleet, count) do
    for _ <- 1..count do
      before = in_flight(fleet)
      call = Task.async(fn -> PortWorker.recommend(fleet, "silence", timeout: :infinity) end)
      assert eventually(fn -> in_flight(fleet) == before + 1 end)
      call
    end
  end

  defp load(fleet, callers),
    do: for(number <- 1..callers, do: Task.async(fn -> ask(fleet, number, MapSet.new()) end))

  defp ask(fleet, number, answers) do
    answer = with {:ok, %{items: [{^number, 1.0}]}} <- PortWorker.recommend(fleet, number), do: :ok

    receive do
      :stop -> MapSet.put(answers, answer)
    after
      5 -> ask(fleet, number, MapSet.put(answers, answer))
    end
  end

  defp answers(callers) do
    for caller <- callers, do: send(caller.pid, :stop)
    callers |> Task.await_many(30_000) |> Enum.reduce(&MapSet.union/2) |> MapSet.to_list()
  end

  test "options are checked, the leases' too" do
    refuse = fn options, message ->
      placement = {Lease.Node, nodes: [:a@b], supervisor: S}
      options = Keyword.merge([name: Shop, max: 2, placement: placement], options)
      assert_raise ArgumentError, message, fn -> Fleet.start_link(options) end
      assert_raise ArgumentError, message, fn -> Fleet.child_spec(options) end
    end

    refuse.([name: nil], "expected :name to be an atom, got: nil")
    refuse.([min: 0], "expected :min to be a positive integer, got: 0")
    refuse.([max: nil], "expected :max to be an integer not below :min, got: nil")
    refuse.([min: 3], "expected :max to be an integer not below :min, got: 2")
    refuse.([capacity: 0], "expected :capacity to be a positive integer, got: 0")
    refuse.([grow_at: 0], "expected :grow_at to be a number above 0, got: 0")
    refuse.([grow_after: -1], "expected :grow_after to be a non-negative integer (milliseconds), got: -1")
    refuse.([home: "/tmp"], ~s(expected :home to be :own or :shared, got: "/tmp"))
    refuse.([lost_after: 0], ~r/^expected :lost_after/)
    refuse.([colour: :red], ~r/^unknown option :colour/)
    assert_raise ArgumentError, ~r/keyword list/, fn -> Fleet.start_link(%{}) end

    assert_raise ArgumentError, ~r/^expected the name of a running PortWorker.Fleet/, fn ->
      Fleet.leases(Shop)
    end

    assert {:error, %Error{code: :worker_down}} = PortWorker.ping(Shop)

    %{scaling: scaling} =
      Fleet.Options.validate!(
        name: Shop,
        max: 2,
        max_in_flight: 8,
        placement: {Lease.Node, nodes: [:a@b], supervisor: S}
      )

    assert scaling.capacity == 8
  end

  test "each call goes to the worker that has the fewest, and all are called by one name" do
    nodes = [start_node(), start_node()]
    fleet = start(nodes, min: 2, max: 2)
    assert [%{state: :ready, in_flight: 0}, %{state: :ready}] = leases = Fleet.leases(fleet)
    assert Enum.sort(nodes(fleet)) == nodes |> Enum.map(& &1.name) |> Enum.sort()
    assert {:ok, %{protocol: 1}} = PortWorker.await_ready(fleet)
    assert PortWorker.ready?(fleet)

    calls = occupy(fleet, 4)
    assert [2, 2] = Enum.map(Fleet.leases(fleet), & &1.in_flight)
    for call <- calls, do: Task.shutdown(call, :brutal_kill)
    assert eventually(fn -> in_flight(fleet) == 0 end)

    ref = make_ref()
    call = Task.async(fn -> PortWorker.recommend(fleet, "silence", timeout: :infinity, ref: ref) end)
    assert eventually(fn -> in_flight(fleet) == 1 end)
    assert PortWorker.cancel(fleet, ref) == :ok
    assert {:error, %Error{code: :cancelled}} = Task.await(call)

    # Each of them by its own.
    for %{name: lease} <- leases, do: assert({:ok, :pong} = PortWorker.ping(lease))

    workers = for %{name: lease} <- leases, do: os_pid(lease)
    assert stop_supervised(fleet) == :ok
    refute Enum.any?(workers, &OSProcess.alive?/1)
    assert {:error, %Error{code: :worker_down}} = PortWorker.feedback(fleet, %{user: 1, item: 2})
  end

  defp os_pid(lease) do
    {:ok, connection} = Lease.connection(lease)
    Fake.os_pid(connection)
  end

  defp cancelled(lease) do
    {:ok, %{"cancelled" => cancelled}} = PortWorker.status(lease)
    cancelled
  end

  test "one trains at a time; feedback and hidden items are told to all, or to one where they share a home" do
    fleet = start([start_node(), start_node()], min: 2, max: 2)
    {test, ref} = {self(), make_ref()}
    training = Task.async(fn -> PortWorker.retrain(fleet, ref: ref, on_progress: {test, ref}) end)
    assert_receive {^ref, {:progress, _}}, 10_000
    assert {:error, %Error{code: :training_in_progress, retryable?: true}} = PortWorker.retrain(fleet)

    # Whichever it is that trains, none goes meanwhile.
    table = Route.fetch!(fleet, Fleet)
    {:ok, proxy} = PortWorker.Pool.Dispatch.worker(table)
    assert Keeper.retire(table, proxy) == :taken
    assert PortWorker.cancel(fleet, ref) == :ok
    assert {:error, %Error{code: :cancelled}} = Task.await(training)

    # How many workers were asked shows in the wire ids, which each counts by itself: so in the id of what is cancelled next.
    told = fn -> for %{name: lease} <- Fleet.leases(fleet), do: next_id(lease) end
    before = told.()
    Process.flag(:trap_exit, true)
    assert {:ok, {:feedback, %{item: 2, user: 1}}} = PortWorker.feedback(fleet, %{user: 1, item: 2})
    assert {:ok, {:hide_items, _}} = PortWorker.hide_items(fleet, [2])
    assert {:ok, {:show_items, _}} = PortWorker.show_items(fleet, [2])
    assert {:error, %Error{code: :invalid_argument}} = PortWorker.hide_items(fleet, self())
    assert Process.info(self(), :messages) == {:messages, []}
    assert Enum.zip_with(told.(), before, &-/2) == [5, 5]

    shared = start([start_node(), start_node()], min: 2, max: 2, home: :shared)
    told = fn -> for %{name: lease} <- Fleet.leases(shared), do: next_id(lease) end
    before = told.()
    assert {:ok, {:feedback, _}} = PortWorker.feedback(shared, %{user: 1, item: 2})
    assert told.() |> Enum.zip_with(before, &-/2) |> Enum.sort() == [2, 3]
  end

  # Of a call that is cancelled for that; the status after it is another one.
  defp next_id(lease) do
    assert {:error, %Error{}} = PortWorker.recommend(lease, "silence", timeout: 20)
    eventually(fn -> lease |> cancelled() |> List.last() end)
  end

  test "it grows with the load, and shrinks without it, and no call is cut" do
    fleet =
      start([start_node(), start_node()],
        min: 1,
        max: 2,
        capacity: 20,
        grow_at: 0.5,
        grow_after: 100,
        idle_shutdown_after: 500
      )

    assert [:ready] = states(fleet)
    calls = occupy(fleet, 16)
    assert eventually(fn -> states(fleet) == [:ready, :ready] end)

    # Each has one that is not answered, the new one this: whichever goes has to wait for its own.
    [second] = occupy(fleet, 1)
    callers = load(fleet, 2)
    {[first | _] = on_first, rest} = Enum.split(calls, 1)
    for call <- rest, do: Task.shutdown(call, :brutal_kill)
    assert eventually(fn -> :draining in states(fleet) end)
    assert Process.alive?(first.pid) and Process.alive?(second.pid)
    %{name: leaving} = Enum.find(Fleet.leases(fleet), &(&1.state == :draining))
    {:ok, proxy} = Lease.worker(leaving)
    monitor = Process.monitor(proxy)

    for call <- on_first ++ [second], do: Task.shutdown(call, :brutal_kill)
    assert_receive {:DOWN, ^monitor, :process, _, _}, 20_000
    assert eventually(fn -> states(fleet) == [:ready] end)
    assert answers(callers) == [:ok]
    # Its place is free.
    assert eventually(fn -> Process.whereis(leaving) == nil end)
  end

  test "a node that is killed: its callers are told, those of the other notice nothing, and a worker is placed elsewhere" do
    nodes = [start_node(), start_node(), start_node()]
    fleet = start(nodes, min: 2, max: 2)
    waiting = occupy(fleet, 4)
    assert [2, 2] = Enum.map(Fleet.leases(fleet), & &1.in_flight)
    callers = load(fleet, 4)
    [victim | _] = Fleet.leases(fleet)
    Cluster.kill(Enum.find(nodes, &(&1.name == victim.node)))
    assert eventually(fn -> Enum.count(waiting, &Process.alive?(&1.pid)) == 2 end)
    {still, told} = Enum.split_with(waiting, &Process.alive?(&1.pid))

    for answer <- Task.await_many(told),
        do: assert({:error, %Error{code: :worker_down, retryable?: true}} = answer)

    assert eventually(fn -> states(fleet) == [:ready, :ready] and victim.node not in nodes(fleet) end)
    assert Enum.all?(still, &Process.alive?(&1.pid))
    for call <- still, do: Task.shutdown(call, :brutal_kill)

    assert callers
           |> answers()
           |> Enum.reject(&(&1 == :ok))
           |> Enum.all?(&match?({:error, %Error{code: :worker_down}}, &1))
  end

  test "whoever of its own processes dies is started again, and what had begun goes on" do
    fleet = start([start_node(), start_node()], min: 2, max: 2)
    [first, second] = Fleet.leases(fleet)

    keeper = Process.whereis(fleet)
    Process.exit(keeper, :kill)
    assert {:ok, _} = PortWorker.recommend(fleet, 1)
    assert eventually(fn -> Process.whereis(fleet) not in [nil, keeper] end)
    assert Fleet.await_ready(fleet) == :ok
    assert Fleet.leases(fleet) == [first, second]

    lease = Process.whereis(first.name)
    Process.exit(lease, :kill)
    assert eventually(fn -> Process.whereis(first.name) not in [nil, lease] end)
    assert eventually(fn -> states(fleet) == [:ready, :ready] end)

    # One that drains is seen off by whichever scaler there is, and another comes in its place.
    table = Route.fetch!(fleet, Fleet)
    {:ok, proxy} = Lease.worker(second.name)
    assert :ok = Keeper.set_aside(table, proxy)
    monitor = Process.monitor(proxy)

    {_, scaler, _, _} =
      List.keyfind(Supervisor.which_children(Module.concat(fleet, Supervisor)), Fleet.Scaler, 0)

    Process.exit(scaler, :kill)
    assert_receive {:DOWN, ^monitor, :process, _, _}, 20_000
    assert eventually(fn -> states(fleet) == [:ready, :ready] end)
  end

  test "a drained fleet stays as it is" do
    fleet = start([start_node()], min: 1, max: 1)
    holder = Process.whereis(hd(Fleet.leases(fleet)).name)
    monitor = Process.monitor(holder)
    assert {:ok, %{completed: 0}} = PortWorker.drain(fleet)

    {_, scaler, _, _} =
      List.keyfind(Supervisor.which_children(Module.concat(fleet, Supervisor)), Fleet.Scaler, 0)

    :erlang.trace(scaler, true, [:receive])
    for _ <- 1..8, do: assert_receive({:trace, ^scaler, :receive, :tick}, 5_000)
    assert [%{state: :draining}] = Fleet.leases(fleet)
    refute_received {:DOWN, ^monitor, _, _, _}
  end

  test "without a node there is none to call; each lease is there, and waits" do
    name = :"fleet_#{System.unique_integer([:positive])}"
    placement = {Lease.Node, nodes: fn -> [] end, supervisor: Cluster.supervisor()}
    start_supervised!({Fleet, Fake.options("normal", name: name, min: 2, max: 3, placement: placement)})

    assert eventually(fn ->
             match?([%{state: :placing, node: nil}, %{state: :placing}], Fleet.leases(name))
           end)

    assert {:error, %Error{code: :worker_down, retryable?: true}} = PortWorker.recommend(name, 1)
    assert {:error, %Error{code: :worker_down}} = PortWorker.hide_items(name, [1])
    assert {:error, %Error{code: :deadline_exceeded, message: message}} = Fleet.await_ready(name, 20)
    assert message =~ "0 workers are ready, expected 2"
  end
end
