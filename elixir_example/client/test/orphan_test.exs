defmodule PortWorker.OrphanTest do
  # kill -9 of the node must leave no process of the worker's behind, whatever that was doing.
  use ExUnit.Case, async: false

  import PortWorker.Eventually

  alias PortWorker.Real

  @moduletag timeout: 300_000
  @moduletag :capture_log

  @within_ms 2_000

  setup_all do
    home = Real.temporary_home()
    worker = start_supervised!({PortWorker, Real.options(home)})
    assert {:ok, :pong} = PortWorker.ping(worker, timeout: 120_000)
    :ok = stop_supervised(PortWorker)
    %{home: home}
  end

  test "while the worker writes its first data", do: assert_no_orphans("booting", Real.temporary_home(), 1)
  test("while the worker boots", %{home: home}, do: assert_no_orphans("booting", home, 1))
  test("while the worker is idle", %{home: home}, do: assert_no_orphans("idle", home, 1))
  test("while the worker answers", %{home: home}, do: assert_no_orphans("answering", home, 1))
  test("while the trainer reads its data", %{home: home}, do: assert_no_orphans("extract", home, 2))
  test("while the trainer fits", %{home: home}, do: assert_no_orphans("fit", home, 2))

  # `least`: how many processes the worker is made of at that time.
  defp assert_no_orphans(mode, home, least) do
    beam = start_host(mode, home)
    # A child that is just forked does not bear the worker's name yet.
    assert family =
             eventually(fn -> with(family = workers(beam), true <- length(family) >= least, do: family) end)

    {_, 0} = System.cmd("/bin/sh", ["-c", "kill -9 #{beam}"])
    until = System.monotonic_time(:millisecond) + @within_ms
    assert leftovers(family, home, until) == []
  end

  defp workers(beam), do: beam |> descendants() |> Enum.filter(&(command(&1) =~ ~r/python|bin\/worker/i))

  defp start_host(mode, home) do
    ebin = Application.app_dir(:port_worker, "ebin")
    script = Path.expand("support/host.exs", __DIR__)
    args = ["-pa", ebin, script, mode, Real.command(), home]
    elixir = System.find_executable("elixir")
    host = Port.open({:spawn_executable, elixir}, [:binary, :exit_status, line: 1_000, args: args])

    assert_receive {^host, {:data, {:eol, "busy " <> beam}}}, 120_000
    beam
  end

  defp descendants(pid) do
    children = Enum.group_by(ps(["-A", "-o", "ppid=,pid="]), &hd/1, fn [_parent, child] -> child end)
    family(pid, children)
  end

  defp family(pid, children) do
    Enum.flat_map(Map.get(children, pid, []), &[&1 | family(&1, children)])
  end

  defp command(pid), do: ["-p", pid, "-o", "args="] |> ps() |> List.flatten() |> Enum.join(" ")

  # The processes of `family`, and any that names `home`, which live on at the time `until`.
  defp leftovers(family, home, until) do
    case Enum.filter(ps(["-A", "-o", "stat=,pid=,args="]), &left?(&1, family, home)) do
      [] ->
        []

      left ->
        if System.monotonic_time(:millisecond) > until do
          Enum.map(left, &Enum.join(&1, " "))
        else
          Process.sleep(20)
          leftovers(family, home, until)
        end
    end
  end

  # A zombie has ended; to reap it is the part of whoever inherited it.
  defp left?(["Z" <> _, _pid | _], _family, _home), do: false
  defp left?([_stat, pid | args], family, home), do: pid in family or home in args

  defp ps(args) do
    {output, _status} = System.cmd("ps", args)
    output |> String.split("\n", trim: true) |> Enum.map(&String.split/1)
  end
end
