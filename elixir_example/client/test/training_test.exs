defmodule PortWorker.TrainingTest do
  use ExUnit.Case, async: true

  import PortWorker.Eventually

  alias PortWorker.{Error, Rude, Training}

  setup do
    server = Rude.start()
    {:ok, _} = PortWorker.await_ready(server)
    %{server: server}
  end

  defp in_flight(server), do: elem(PortWorker.info(server), 1).in_flight
  defp mailbox, do: self() |> Process.info(:messages) |> elem(1)

  test "goes on while its owner does other things; progress and answer are messages", %{server: server} do
    %Training{ref: ref} = training = PortWorker.retrain_async(server, algorithm: "ALS")
    assert_receive {^ref, {:progress, %{phase: :fit, share: 0.25}}}
    assert_receive {^ref, {:progress, %{phase: :fit, share: 0.5}}}
    assert {:ok, :pong} = PortWorker.ping(server)
    assert Training.yield(training, 0) == nil

    # This worker's answer crosses the cancel.
    assert PortWorker.cancel(training) == :ok
    assert_receive {^ref, {:error, %Error{code: :cancelled}}}
    assert eventually(fn -> in_flight(server) == 0 end)
    assert mailbox() == []
  end

  test "is awaited; progress that nobody took is dropped", %{server: server} do
    %Training{ref: ref} = training = PortWorker.retrain_async(server)
    assert_receive {^ref, {:progress, _}}
    PortWorker.cancel(training)
    assert {:error, %Error{code: :cancelled, retryable?: false}} = PortWorker.await_retrain(training)
    assert mailbox() == []
    refute Process.alive?(training.pid)
  end

  test "has its progress function called in a process of its own", %{server: server} do
    test = self()
    training = PortWorker.retrain_async(server, on_progress: &send(test, {self(), &1}))
    pid = training.pid
    assert_receive {^pid, %{share: 0.25}}
    assert_receive {^pid, %{share: 0.5}}
    assert mailbox() == []
    PortWorker.cancel(training)
    assert_raise Error, "the call was cancelled", fn -> PortWorker.await_retrain!(training) end
  end

  test "ends when that raises, with an error", %{server: server} do
    training = PortWorker.retrain_async(server, on_progress: fn _ -> raise "mine" end)
    assert {:error, %Error{code: :progress_failed, message: message}} = PortWorker.await_retrain(training)
    assert message == "the progress function raised: ** (RuntimeError) mine"
    assert eventually(fn -> in_flight(server) == 0 end)
  end

  test "is cancelled when it is not done in the time that it is awaited", %{server: server} do
    training = PortWorker.retrain_async(server)
    assert {:error, %Error{code: :deadline_exceeded}} = PortWorker.await_retrain(training, 20)
    assert eventually(fn -> in_flight(server) == 0 end)
    assert eventually(fn -> not Process.alive?(training.pid) end)
    assert mailbox() == []
  end

  test "has a deadline of its own, too", %{server: server} do
    training = PortWorker.retrain_async(server, timeout: 20)
    assert {:error, %Error{code: :deadline_exceeded}} = PortWorker.await_retrain(training)
  end

  test "is cancelled when its owner ends", %{server: server} do
    test = self()

    owner =
      spawn(fn ->
        send(test, PortWorker.retrain_async(server))
        Process.sleep(:infinity)
      end)

    assert_receive %Training{pid: pid}
    assert eventually(fn -> in_flight(server) == 1 end)
    monitor = Process.monitor(pid)
    Process.exit(owner, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^pid, :normal}, 5_000
    assert eventually(fn -> in_flight(server) == 0 end)
  end

  test "whose process is killed is told, and cancelled in the worker when its owner says so", %{
    server: server
  } do
    training = PortWorker.retrain_async(server)
    assert eventually(fn -> in_flight(server) == 1 end)
    Process.exit(training.pid, :kill)
    assert {:error, %Error{code: :cancelled}} = PortWorker.await_retrain(training)
    assert eventually(fn -> in_flight(server) == 0 end)
  end

  test "tells mistakes in its options at once", %{server: server} do
    assert_raise ArgumentError, "unknown option :n of retrain", fn ->
      PortWorker.retrain_async(server, n: 1)
    end
  end
end
