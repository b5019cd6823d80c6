defmodule PortWorker.Fake do
  @moduledoc "Starts connections to `fake_worker.exs`."

  @script Path.expand("fake_worker.exs", __DIR__)

  @doc "Options that run the fake worker, booting as `boot` says."
  def options(boot, more \\ []) do
    [command: "elixir", args: ["--erl", "-noinput", @script, boot], kill_after: 200] ++ more
  end

  @doc "Starts one under the test's supervisor, never restarted, so that its end can be observed."
  def start(boot, more \\ []) do
    child = Supervisor.child_spec({PortWorker, options(boot, more)}, restart: :temporary)
    ExUnit.Callbacks.start_supervised!(child)
  end

  @doc "The operating-system pid of a connection's worker."
  def os_pid(server), do: :sys.get_state(server).os_pid
end
