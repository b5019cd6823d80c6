defmodule PortWorker.TelemetryTest do
  use ExUnit.Case, async: false

  import ExUnit.CaptureLog

  alias PortWorker.{Cluster, Error, Fake, Fleet, Lease, Rude, Telemetry}

  setup do
    # As an application that depends on the library would have it.
    {:module, :telemetry} = Code.ensure_loaded(:telemetry)
    test = self()
    :ok = :telemetry.attach_many(test, Telemetry.events(), &__MODULE__.forward/4, test)

    on_exit(fn ->
      :telemetry.detach(test)
      # Other tests are to be as without it.
      :code.purge(:telemetry)
      :code.delete(:telemetry)
      :code.purge(:telemetry)
    end)
  end

  def forward([:port_worker, subject, what], measured, about, test),
    do: send(test, {subject, what, measured, about, self()})

  test "each call starts and stops in its caller" do
    server = Rude.start()
    assert {:ok, :pong} = PortWorker.ping(server)
    caller = self()
    assert_received {:call, :start, %{monotonic_time: _, system_time: _}, about, ^caller}
    assert about == %{server: server, op: :ping}
    assert_received {:call, :stop, %{duration: duration}, about, ^caller}
    assert about == %{server: server, op: :ping, result: :ok, error: nil} and duration > 0

    assert {:error, error} = PortWorker.recommend(server, "late", timeout: 10)
    assert_received {:call, :stop, _, %{op: :recommend, result: :error, error: ^error}, ^caller}
    assert error.code == :deadline_exceeded

    assert {:error, %Error{code: :invalid_argument}} = PortWorker.recommend(server, :atom)
    assert_received {:call, :stop, _, %{error: %Error{code: :invalid_argument}}, ^caller}
  end

  test "a progress function that raises is an exception of the call" do
    server = Rude.start()
    assert catch_error(PortWorker.retrain(server, on_progress: fn _ -> raise "mine" end))
    assert_received {:call, :exception, %{duration: _}, about, _caller}

    assert %{op: :retrain, kind: :error, reason: %RuntimeError{message: "mine"}, stacktrace: [_ | _]} = about
  end

  test "a worker is ready, activates a model and ends" do
    server = Rude.start()
    assert {:ok, _} = PortWorker.recommend(server, "some events")
    assert_received {:worker, :ready, %{duration: boot}, ready, ^server}
    assert boot > 0
    assert %{server: ^server, os_pid: os_pid, model: nil, worker: %{name: "rude"}} = ready

    assert_received {:model, :activated, %{system_time: _}, %{server: ^server, model: %{version: "v1"}},
                     ^server}

    assert {:error, _} = PortWorker.recommend(server, "exit")
    assert_receive {:worker, :down, %{duration: _}, down, ^server}
    assert %{server: ^server, os_pid: ^os_pid, reason: %Error{code: :worker_down}} = down
  end

  test "a worker that is stopped says so, by its name" do
    server = Rude.start("{}", name: __MODULE__.Named)
    assert {:ok, :pong} = PortWorker.ping(server)
    assert PortWorker.stop(server) == :ok
    assert_received {:worker, :down, _, %{server: __MODULE__.Named, reason: :normal}, ^server}
  end

  test "a call that waits says how long, and one that is refused how much there is" do
    server = Rude.start("{}", max_in_flight: 1, max_queue: 1)
    {:ok, _} = PortWorker.await_ready(server)
    training = PortWorker.retrain_async(server)
    ref = training.ref
    assert_receive {^ref, {:progress, _}}
    waiting = Task.async(fn -> PortWorker.recommend(server, 1) end)
    assert PortWorker.Eventually.eventually(fn -> match?({:ok, %{waiting: 1}}, PortWorker.info(server)) end)

    assert {:error, %Error{code: :overloaded}} = PortWorker.similar(server, 1)
    assert_received {:queue, :overloaded, %{in_flight: 1, waiting: 1}, about, ^server}
    assert about == %{server: server, op: :similar}

    PortWorker.cancel(training)
    assert {:ok, _} = Task.await(waiting)
    assert_received {:queue, :sent, %{duration: duration}, %{server: ^server, op: :recommend}, ^server}
    assert duration > 0
  end

  test "a fleet tells its load and its size, and each lease where it has a worker, and that it has lost it" do
    :ok = Cluster.start()
    Telemetry.attach_default_logger()
    on_exit(&Telemetry.detach_default_logger/0)
    node = Cluster.start_node(1)
    fleet = __MODULE__.Fleet
    placement = {Lease.Node, nodes: [node.name], supervisor: Cluster.supervisor()}

    log =
      capture_log(fn ->
        start_supervised!({Fleet, Fake.options("normal", name: fleet, max: 1, placement: placement)})
        assert Fleet.await_ready(fleet) == :ok
        assert_receive {:lease, :ready, %{duration: placed}, about, _}, 5_000
        assert about == %{server: __MODULE__.Fleet.Lease1, fleet: fleet, node: node.name} and placed > 0
      end)

    assert log =~ "#{inspect(fleet)} goes from 0 to 1 leases, at 0% utilisation"
    assert log =~ "Lease1 has a worker on #{node.name} after"
    assert_received {:fleet, :scaled, %{leases: 1, change: 1, utilisation: +0.0}, %{server: ^fleet}, scaler}

    call = Task.async(fn -> PortWorker.recommend(fleet, "silence", timeout: :infinity) end)

    assert_receive {:fleet, :load, %{leases: 1, ready: 1, in_flight: 1, utilisation: used}, %{server: ^fleet},
                    ^scaler}
                   when used > 0 and used <= 1 / 64,
                   5_000

    Cluster.kill(node)
    assert {:error, %Error{code: :worker_down}} = Task.await(call)

    assert_receive {:lease, :down, %{duration: _}, %{server: __MODULE__.Fleet.Lease1, reason: :noconnection},
                    _},
                   5_000

    stop_supervised!(fleet)
  end

  test "the default logger tells of boots and ends" do
    assert Telemetry.attach_default_logger(:info) == :ok
    assert Telemetry.attach_default_logger(:info) == {:error, :already_exists}

    log =
      capture_log(fn ->
        server = Rude.start()
        monitor = Process.monitor(server)
        assert catch_error(PortWorker.retrain(server, on_progress: fn _ -> raise "mine" end))
        assert {:error, _} = PortWorker.recommend(server, "exit")
        assert_receive {:DOWN, ^monitor, :process, _pid, _reason}, 5_000

        :ok =
          PortWorker.stop(PortWorker.start_link(Rude.options()) |> elem(1) |> tap(&PortWorker.await_ready/1))
      end)

    assert log =~ ~r/\[info\] .*worker \d+ of #PID<.*> is ready after \d+ ms/

    assert log =~
             ~r/\[error\] .*worker \d+ of .* is down after \d+ ms: worker_down: the worker exited with status 7/

    assert log =~ ~r/\[info\] .*worker \d+ of .* was stopped after \d+ ms/
    assert log =~ "retrain: ** (RuntimeError) mine"
    assert Telemetry.detach_default_logger() == :ok
    assert Telemetry.detach_default_logger() == {:error, :not_found}
  end
end
