defmodule PortWorker.OptionsTest do
  use ExUnit.Case, async: true

  alias PortWorker.Options

  defp refuse(options, message) do
    assert_raise ArgumentError, message, fn ->
      Options.validate!([command: "/bin/sh"] |> Keyword.merge(options))
    end
  end

  test "each option says what it expects and what came" do
    refuse(
      [command: "/no/such/file"],
      ~r/^expected :command to be the path of an executable .*"\/no\/such\/file"$/
    )

    refuse([args: "--home"], ~s(expected :args to be a list of strings without NUL, got: "--home"))
    refuse([args: ["a\0b"]], ~r/^expected :args to be a list of strings without NUL/)

    for env <- [[A: 1], %{"" => "1"}, %{"A=B" => "1"}, %{"A" => "\0"}, %{"A" => <<255>>}],
        do: refuse([env: env], ~r/^expected :env to be a map or list of names to strings/)

    refuse([backoff: make_ref()], ~r/^unknown option :backoff/)
    refuse([cd: "/no/such/folder"], ~r/^expected :cd to be a folder that exists/)
    refuse([name: "text"], ~r/^expected :name to be an atom/)
    refuse([max_in_flight: 1.5], "expected :max_in_flight to be a positive integer, got: 1.5")
    refuse([boot_timeout: :infinity], "expected :boot_timeout to be a positive integer, got: :infinity")
    refuse([kill_after: -1], "expected :kill_after to be a non-negative integer (milliseconds), got: -1")
    refuse([colour: :red], ~r/^unknown option :colour, expected one of: :command, :args/)
  end

  test "what is accepted is completed by defaults" do
    options = Options.validate!(command: "sh", env: %{"A" => "1", "B" => nil}, drain_timeout: 0)

    assert Path.type(options.command) == :absolute
    assert options.env == [{"A", "1"}, {"B", nil}]
    assert {options.max_in_flight, options.boot_timeout, options.drain_timeout} == {64, 30_000, 0}
  end

  test "options that are no keyword list are refused" do
    assert_raise ArgumentError, ~r/keyword list/, fn -> Options.validate!(%{command: "sh"}) end
  end

  test "a supervisor waits for draining and killing" do
    spec = PortWorker.child_spec(command: "sh", name: Shop, drain_timeout: 500, kill_after: 700)

    assert %{id: Shop, shutdown: shutdown} = spec
    assert shutdown > 1_200
  end
end
