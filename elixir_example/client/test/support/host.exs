# A node that starts a real worker, says "busy PID" once the worker does what MODE says, and waits to be killed.
#
#     elixir -pa EBIN host.exs MODE WORKER HOME

[mode, command, home] = System.argv()

announce = fn -> IO.puts("busy #{System.pid()}") end
args = ["--home", home, "--fixture"]
{:ok, worker} = PortWorker.start_link(command: command, args: args, boot_timeout: 120_000)

retrain_until = fn phase ->
  PortWorker.retrain(worker,
    algorithm: "ALS",
    params: [n_epochs: 500],
    on_progress: fn progress -> if progress.phase == phase, do: announce.() end
  )
end

case mode do
  "booting" ->
    # Answers once the Port is open.
    %{port: port} = :sys.get_state(worker)
    true = is_port(port)
    announce.()

  "idle" ->
    {:ok, :pong} = PortWorker.ping(worker, timeout: :infinity)
    announce.()

  "answering" ->
    {:ok, :pong} = PortWorker.ping(worker, timeout: :infinity)
    announce.()
    for _ <- 1..32, do: spawn_link(fn -> for _ <- Stream.cycle([1]), do: PortWorker.status(worker) end)

  "extract" ->
    retrain_until.(:extract)

  "fit" ->
    retrain_until.(:fit)
end

Process.sleep(:infinity)
