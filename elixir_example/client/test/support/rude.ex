defmodule PortWorker.Rude do
  @moduledoc "Starts connections to `tests/peers/rude_worker.py`, which misbehaves as the user of a `recommend` says."

  @root Path.expand("../../../..", __DIR__)

  @doc "Options that run it. `argument` is its argument, as JSON."
  def options(argument \\ "{}", more \\ []) do
    script = Path.join(@root, "tests/peers/rude_worker.py")
    [command: Path.join(@root, ".venv/bin/python"), args: [script, argument], kill_after: 200] ++ more
  end

  @doc "Starts one under the test's supervisor, never restarted, so that its end can be observed."
  def start(argument \\ "{}", more \\ []) do
    child = Supervisor.child_spec({PortWorker, options(argument, more)}, restart: :temporary)
    ExUnit.Callbacks.start_supervised!(child)
  end
end
