defmodule PortWorker.LeaseTest do
  # Over nodes that are killed, with workers that are told what to do.
  use ExUnit.Case, async: false

  import PortWorker.Eventually

  alias PortWorker.{Cluster, Error, Fake, Lease, OSProcess}

  @moduletag timeout: 120_000

  setup_all do: Cluster.start()

  doctest PortWorker.Lease

  defp start_node do
    node = Cluster.start_node()
    on_exit(fn -> if OSProcess.alive?(node.os_pid), do: Cluster.kill(node) end)
    node
  end

  defp start(nodes, more \\ []) do
    name = :"lease_#{System.unique_integer([:positive])}"
    placement = {Lease.Node, nodes: nodes, supervisor: Cluster.supervisor()}

    options = Fake.options("normal", name: name, placement: placement, backoff_min: 10, backoff_max: 100)

    start_supervised!({Lease, Keyword.merge(options, more)}, id: name)
    name
  end

  defp where(lease), do: with({:ok, pid} <- Lease.connection(lease), do: node(pid))

  defp os_pid(lease) do
    {:ok, connection} = Lease.connection(lease)
    Fake.os_pid(connection)
  end

  test "a worker on another node is called by the lease's name, and gone with the lease" do
    node = start_node()
    lease = start([node.name])
    assert Lease.await_ready(lease) == :ok
    assert where(lease) == node.name
    assert {:ok, %{protocol: 1}} = PortWorker.await_ready(lease)
    assert PortWorker.ready?(lease)

    assert {:ok, %{items: [{7, 1.0}]}} = PortWorker.recommend(lease, 7)
    assert {:error, %Error{code: :deadline_exceeded}} = PortWorker.recommend(lease, "silence", timeout: 20)
    assert {:error, %Error{code: :invalid_argument}} = PortWorker.recommend(lease, self())

    {test, ref} = {self(), make_ref()}
    training = Task.async(fn -> PortWorker.retrain(lease, ref: ref, on_progress: {test, ref}) end)
    assert_receive {^ref, {:progress, %{phase: :fit}}}, 10_000
    assert PortWorker.cancel(lease, ref) == :ok
    assert {:error, %Error{code: :cancelled}} = Task.await(training)
    assert Process.info(self(), :messages) == {:messages, []}

    # Taken for a worker, by its pid.
    holder = Process.whereis(lease)
    assert {:error, %Error{code: :worker_down}} = PortWorker.ping(holder)
    assert {:error, %Error{code: :worker_down}} = PortWorker.info(holder)
    assert Process.whereis(lease) == holder

    worker = os_pid(lease)
    assert :ok = stop_supervised(lease)
    refute OSProcess.alive?(worker)
    assert {:error, %Error{code: :worker_down}} = PortWorker.ping(lease)
  end

  test "a lease that is killed leaves no worker behind" do
    lease = start([start_node().name])
    assert Lease.await_ready(lease) == :ok
    {worker, holder} = {os_pid(lease), Process.whereis(lease)}
    Process.exit(holder, :kill)

    assert eventually(fn -> not OSProcess.alive?(worker) end)
    assert eventually(fn -> Process.whereis(lease) not in [nil, holder] end)
    assert Lease.await_ready(lease) == :ok
    assert os_pid(lease) != worker
  end

  # A call that its worker has, and does not answer.
  defp start_training(lease) do
    {test, ref} = {self(), make_ref()}
    training = Task.async(fn -> PortWorker.retrain(lease, on_progress: {test, ref}) end)
    assert_receive {^ref, {:progress, _}}, 10_000
    training
  end

  # Callers that ask again and again until they are told to stop, and then tell what they were answered.
  defp load(lease, callers) do
    for number <- 1..callers, do: Task.async(fn -> ask(lease, number, MapSet.new()) end)
  end

  defp ask(lease, number, answers) do
    answer = with {:ok, %{items: [{^number, 1.0}]}} <- PortWorker.recommend(lease, number), do: :ok

    receive do
      :stop -> MapSet.put(answers, answer)
    after
      1 -> ask(lease, number, MapSet.put(answers, answer))
    end
  end

  test "a node that is killed under load: its callers are told and live on, and a worker is placed on another" do
    nodes = [start_node(), start_node()]
    lease = start(&Node.list/0)
    assert Lease.await_ready(lease) == :ok
    callers = load(lease, 8)

    Enum.reduce(1..3, nodes, fn _, nodes ->
      victim = Enum.find(nodes, &(&1.name == where(lease)))
      training = start_training(lease)
      Cluster.kill(victim)
      assert {:error, %Error{code: :worker_down, retryable?: true}} = Task.await(training)

      [other] = List.delete(nodes, victim)
      assert eventually(fn -> where(lease) == other.name end)
      assert Lease.await_ready(lease) == :ok
      assert {:ok, _} = PortWorker.recommend(lease, 1)
      [start_node(), other]
    end)

    for caller <- callers, do: send(caller.pid, :stop)
    answers = callers |> Task.await_many(10_000) |> Enum.reduce(&MapSet.union/2)
    {[:ok], told} = Enum.split_with(answers, &(&1 == :ok))
    assert Enum.all?(told, &match?({:error, %Error{code: :worker_down, retryable?: true}}, &1))
  end

  test "a worker that dies over there is placed anew, and the node lives on" do
    node = start_node()
    lease = start([node.name])
    assert Lease.await_ready(lease) == :ok
    {:ok, connection} = Lease.connection(lease)
    before = os_pid(lease)
    assert {:error, %Error{code: :worker_down}} = PortWorker.recommend(lease, "exit 7")
    assert eventually(fn -> match?({:ok, pid} when pid != connection, Lease.connection(lease)) end)
    assert Lease.await_ready(lease) == :ok
    assert os_pid(lease) != before
    assert where(lease) == node.name
    assert {:ok, _} = PortWorker.recommend(lease, 1)
  end

  test "without a node calls are answered at once, and a node that comes gets the worker" do
    lease = start(&Node.list/0, backoff_min: 60_000, backoff_max: 60_000)

    assert {:error, %Error{code: :worker_down, message: message}} =
             PortWorker.recommend(lease, 1, timeout: :infinity)

    assert message =~ "no worker is placed"
    assert {:error, %Error{code: :worker_down}} = Lease.await_ready(lease, 20)

    # Its supervisor starts after it is connected: the first attempt may be too early, so the lease is told once more.
    node = start_node()
    assert eventually(fn -> send(lease, :place) && where(lease) == node.name end)
    assert Lease.await_ready(lease) == :ok
  end

  test "a node that says nothing costs a call its timeout, no more" do
    node = start_node()
    lease = start([node.name])
    assert Lease.await_ready(lease) == :ok
    Cluster.suspend(node)

    assert {:error, %Error{code: :deadline_exceeded}} = PortWorker.recommend(lease, 1, timeout: 100)
    Cluster.resume(node)
    assert {:ok, _} = PortWorker.recommend(lease, 1)
    assert Process.info(self(), :messages) == {:messages, []}
  end

  test "nor does one that takes nothing any more, however much it is sent" do
    node = start_node()
    lease = start([node.name], max_queue: 20, lost_after: :infinity)
    assert Lease.await_ready(lease) == :ok
    Cluster.suspend(node)

    # More than the way to a node holds, which would suspend whoever sends.
    many = Enum.map(1..20_000, &"item #{&1}")

    ask = fn number ->
      {took, {:error, error}} =
        :timer.tc(fn -> PortWorker.recommend(lease, number, exclude: many, timeout: 300) end)

      {error.code, took}
    end

    asked = 1..60 |> Enum.map(&Task.async(fn -> ask.(&1) end)) |> Task.await_many(60_000)
    assert asked |> Enum.map(&elem(&1, 0)) |> Enum.uniq() |> Enum.sort() == [:deadline_exceeded, :overloaded]
    assert asked |> Enum.map(&elem(&1, 1)) |> Enum.max() < 5_000_000

    Cluster.resume(node)
    assert eventually(fn -> match?({:ok, %{items: [{1, 1.0}]}}, PortWorker.recommend(lease, 1)) end)
  end

  test "a worker that can't be heard of is lost: another is placed elsewhere, and that one stops" do
    nodes = [start_node(), start_node()]
    lease = start(Enum.map(nodes, & &1.name), lost_after: 400)
    assert Lease.await_ready(lease) == :ok
    [frozen, other] = nodes
    assert where(lease) == frozen.name
    worker = os_pid(lease)
    training = start_training(lease)
    Cluster.suspend(frozen)

    # Without a deadline, yet it is told.
    assert {:error, %Error{code: :worker_down, retryable?: true}} = Task.await(training, 10_000)
    assert eventually(fn -> where(lease) == other.name end)
    assert Lease.await_ready(lease) == :ok
    assert {:ok, _} = PortWorker.recommend(lease, 1)
    assert OSProcess.alive?(worker)

    Cluster.resume(frozen)
    assert eventually(fn -> not OSProcess.alive?(worker) end)
    assert where(lease) == other.name
  end

  test "a lease stops in time though its worker can't be heard of, and that one follows" do
    node = start_node()
    lease = start([node.name], lost_after: :infinity)
    assert Lease.await_ready(lease) == :ok

    {worker, %{shutdown: most}} =
      {os_pid(lease),
       Lease.child_spec(
         Fake.options("normal",
           name: lease,
           placement: {Lease.Node, nodes: [node.name], supervisor: Cluster.supervisor()}
         )
       )}

    Cluster.suspend(node)
    holder = Process.whereis(lease)
    monitor = Process.monitor(holder)
    assert stop_supervised(lease) == :ok
    # By itself, rather than killed by the supervisor after that time.
    assert_receive {:DOWN, ^monitor, :process, ^holder, :shutdown}, most
    assert OSProcess.alive?(worker)

    Cluster.resume(node)
    assert eventually(fn -> not OSProcess.alive?(worker) end)
  end

  test "one that answers is not lost, however short the time" do
    node = start_node()
    lease = start([node.name], lost_after: 200)
    assert Lease.await_ready(lease) == :ok
    {:ok, connection} = Lease.connection(lease)
    {:ok, proxy} = Lease.worker(lease)
    :erlang.trace(proxy, true, [:receive])
    for _ <- 1..10, do: assert_receive({:trace, ^proxy, :receive, {:pong, _tether}}, 5_000)
    assert Lease.connection(lease) == {:ok, connection}
  end

  test "a mistake that only the other node can see is told by calls, and tried again" do
    node = start_node()
    lease = start([node.name], command: "/no/such/file")

    assert eventually(fn ->
             match?({:error, %{message: "no worker is placed: " <> _}}, PortWorker.ping(lease))
           end)

    assert {:error, %Error{code: :worker_down, message: message}} = Lease.await_ready(lease, 200)
    assert message =~ "expected :command to be the path of an executable"

    lease = start([node.name], args: ["--erl", "-noinput", "/no/such/script"])
    assert {:error, %Error{}} = Lease.await_ready(lease, 200)
    assert :ok = stop_supervised(lease)
  end

  test "options are checked" do
    refuse = fn options, message ->
      options = Keyword.merge([name: Shop, placement: {Lease.Node, nodes: [:a@b], supervisor: S}], options)
      assert_raise ArgumentError, message, fn -> Lease.start_link(options) end
      assert_raise ArgumentError, message, fn -> Lease.child_spec(options) end
    end

    refuse.([name: "text"], ~s(expected :name to be an atom, got: "text"))
    refuse.([placement: :flame], ~r/^expected :placement to be a module that is a PortWorker.Lease.Placement/)
    refuse.([placement: {Enum, []}], ~r/^expected :placement to be a module that is/)
    refuse.([placement: {Lease.Node, nodes: [:a@b]}], ~r/^expected \[nodes: nodes, supervisor: /)

    refuse.(
      [placement: {Lease.Node, nodes: [], supervisor: S}],
      ~r/^expected :nodes to be a list of nodes or/
    )

    refuse.([placement: {Lease.Flame, pool: nil}], "expected [pool: name of a FLAME.Pool], got: [pool: nil]")
    refuse.([place_timeout: 0], "expected :place_timeout to be a positive integer (milliseconds), got: 0")

    refuse.(
      [lost_after: 0],
      "expected :lost_after to be a positive integer (milliseconds) or :infinity, got: 0"
    )

    refuse.([max_in_flight: 0], "expected :max_in_flight to be a positive integer, got: 0")
    refuse.([colour: :red], ~r/^unknown option :colour/)
    assert_raise ArgumentError, ~r/keyword list/, fn -> Lease.start_link(%{}) end

    assert %{id: Shop, shutdown: shutdown} =
             Lease.child_spec(
               name: Shop,
               placement: {Lease.Node, nodes: [:a@b], supervisor: S},
               command: "/only/there",
               kill_after: 700
             )

    assert shutdown > 700

    assert_raise ArgumentError, ~r/^expected the name of a running PortWorker.Lease/, fn ->
      Lease.connection(Shop)
    end
  end

  describe "FLAME" do
    setup do
      # What it does as far as a caller can tell, in this node: https://hexdocs.pm/flame/FLAME.html#place_child/3
      # It kills its first caller, as it does with one to whom it lent a runner that has just died.
      Code.compile_string("""
      defmodule FLAME do
        def place_child(pool, child, timeout: _, link: false) do
          if :ets.update_counter(pool, :calls, 1) == 1, do: Process.exit(self(), :kill)
          DynamicSupervisor.start_child(pool, Supervisor.child_spec(child, restart: :temporary))
        end
      end
      """)

      on_exit(fn ->
        :code.purge(FLAME)
        :code.delete(FLAME)
        :code.purge(FLAME)
      end)
    end

    test "places a worker on a runner, which may die, and so may whoever asks for one" do
      runner = start_supervised!({DynamicSupervisor, name: PortWorker.LeaseTest.Runner}, id: :runner)
      :ets.new(PortWorker.LeaseTest.Runner, [:named_table, :public])
      :ets.insert(PortWorker.LeaseTest.Runner, {:calls, 0})

      options = [
        name: PortWorker.LeaseTest.Flame,
        placement: {Lease.Flame, pool: PortWorker.LeaseTest.Runner}
      ]

      holder = start_supervised!({Lease, Fake.options("normal", options ++ [backoff_min: 10])})
      assert Lease.await_ready(PortWorker.LeaseTest.Flame) == :ok
      training = start_training(PortWorker.LeaseTest.Flame)

      {:ok, connection} = Lease.connection(PortWorker.LeaseTest.Flame)
      Process.exit(runner, :kill)
      assert {:error, %Error{code: :worker_down, retryable?: true}} = Task.await(training)

      assert eventually(fn ->
               match?({:ok, pid} when pid != connection, Lease.connection(PortWorker.LeaseTest.Flame))
             end)

      assert Lease.await_ready(PortWorker.LeaseTest.Flame) == :ok
      assert Process.whereis(PortWorker.LeaseTest.Flame) == holder
    end
  end
end
