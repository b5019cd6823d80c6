defmodule PortWorker.BenchTest do
  use ExUnit.Case, async: true

  alias PortWorker.{Error, Fake}
  alias PortWorker.Bench.{Plan, Run, Samples, Workers}

  doctest PortWorker.Bench.Ask

  @asks [recommend: %{user: "a", n: 3}, similar: %{item: 7}]

  describe "a plan" do
    test "is decoded into options of workers, requests and due times" do
      plan = Plan.decode!(encoded(%{"deadline_ms" => 250}))

      assert [options] = plan.workers
      assert options[:command] == "elixir"
      assert options[:boot_timeout] == 30_000
      assert plan.asks == {{:recommend, ["a"], [timeout: 250, n: 3]}, {:similar, [7], [timeout: 250]}}
      assert Plan.calls(plan) == 4
      assert Plan.calls(Plan.decode!(encoded(%{"dues_ns" => nil, "closed" => closed(2, 9)}))) == 9
    end

    test "without a deadline has calls that wait for ever" do
      assert elem(Plan.decode!(encoded(%{})).asks, 1) == {:similar, [7], [timeout: :infinity]}
    end

    test "makes no atoms" do
      named = <<131, 119, 26, "an_atom_of_a_plan_not_seen">>
      assert_raise ArgumentError, fn -> Plan.decode!(named) end
    end
  end

  describe "samples" do
    test "have a number for each outcome, which is said what it stands for" do
      samples = Samples.new(4)
      for k <- 0..2, do: Samples.sent(samples, k, k * 1_000, k)
      Samples.answered(samples, 0, 70, {:ok, %{source: :model}})
      Samples.answered(samples, 1, 80, {:error, Error.new(:overloaded, "full")})

      assert %{sent: 3, ok: 1, errors: 1} == Samples.counts(samples)
      term = Samples.to_term(samples)
      assert column(term["due_ns"]) == [0, 1_000, 2_000, 0]
      assert column(term["lag_ns"]) == [0, 1, 2, 0]
      assert column(term["latency_ns"]) == [70, 80, 0, 0]
      assert outcomes(term) == ["ok model", "error overloaded", "error no_answer", "error not_sent"]
    end

    test "count what many processes find at once, each outcome by one number" do
      samples = Samples.new(200)

      0..199
      |> Task.async_stream(fn k ->
        Samples.sent(samples, k, 0, 0)
        Samples.answered(samples, k, 1, {:error, Error.new(:"outcome_#{rem(k, 5)}", "")})
      end)
      |> Stream.run()

      assert samples |> Samples.to_term() |> outcomes() |> Enum.frequencies() ==
               Map.new(0..4, &{"error outcome_#{&1}", 40})
    end
  end

  describe "a run" do
    test "makes every call of an open loop, when it is due or later, of the worker whose turn it is" do
      plan = Plan.decode!(encoded(%{"workers" => [worker(), worker()], "dues_ns" => dues(40)}))
      term = run(plan)

      assert column(term["due_ns"]) == for(k <- 0..39, do: k * 500_000)
      assert Enum.all?(column(term["lag_ns"]), &(&1 >= 0))

      assert Enum.zip(column(term["lag_ns"]), column(term["latency_ns"]))
             |> Enum.all?(fn {lag, latency} -> latency > lag end)

      assert term |> outcomes() |> Enum.frequencies() == %{"ok model" => 20, "ok nil" => 20}
      assert [%{}, %{}] = term["before"]
      assert [%{}, %{}] = term["after"]
      assert %{"schedulers" => _, "queue_max" => _, "busy" => busy} = term["beam"]
      assert busy >= 0.0
    end

    test "of a closed loop ends when there is no more room, with as many calls as there was" do
      plan = Plan.decode!(encoded(%{"dues_ns" => nil, "closed" => closed(3, 30)}))
      term = run(plan)

      assert term |> outcomes() |> Enum.frequencies() == %{"ok model" => 15, "ok nil" => 15}
      assert Enum.all?(column(term["due_ns"]), &(&1 >= 0))
    end

    test "of a closed loop ends with its time, and leaves the rest unsent" do
      plan = Plan.decode!(encoded(%{"dues_ns" => nil, "closed" => %{closed(1, 30) | "duration_ns" => 1}}))
      assert outcomes(run(plan)) |> Enum.uniq() |> Enum.member?("error not_sent")
    end

    test "does not wait for ever for a call without a deadline" do
      asks = [recommend: %{user: "silence"}]
      term = run(Plan.decode!(encoded(%{"asks" => asks, "dues_ns" => dues(2), "grace_ms" => 0})))

      assert column(term["latency_ns"]) == [0, 0]

      assert Enum.all?(outcomes(term), &(&1 in ["error no_answer", "error not_sent"]))
    end
  end

  describe "workers" do
    test "that do not start are an error" do
      servers = start([[command: "elixir", args: ["-e", "exit({:shutdown, 3})"]]])
      assert {:error, %Error{code: :worker_down}} = Workers.await(servers, 10_000)
    end

    test "have the process ids that their connections know" do
      [server] = start([Fake.options("normal")])
      :ok = Workers.await([server], 10_000)
      assert Workers.os_pid(server) == server |> GenServer.whereis() |> Fake.os_pid()
      assert Workers.os_pid(:nobody) == 0
      assert Workers.reductions([server, :nobody]) > 0
    end
  end

  defp run(plan) do
    servers = start(plan.workers)
    :ok = Workers.await(servers, 10_000)
    Run.run(plan, servers)
  end

  defp start(workers) do
    start_supervised!(%{id: Workers, type: :supervisor, start: {Workers, :start_link, [workers]}})
    Workers.names(workers)
  end

  defp encoded(changes) do
    plan = %{
      "workers" => [worker()],
      "asks" => @asks,
      "dues_ns" => dues(4),
      "closed" => nil,
      "deadline_ms" => nil,
      "grace_ms" => 10_000,
      "boot_ms" => 30_000
    }

    plan |> Map.merge(changes) |> :erlang.term_to_binary()
  end

  defp worker do
    options = Fake.options("normal")
    %{"command" => [options[:command] | options[:args]], "env" => %{}}
  end

  defp closed(in_flight, capacity),
    do: %{"in_flight" => in_flight, "duration_ns" => 60_000_000_000, "capacity" => capacity}

  defp dues(calls), do: for(k <- 0..(calls - 1), into: <<>>, do: <<k * 500_000::signed-little-64>>)
  defp column(binary), do: for(<<value::signed-little-64 <- binary>>, do: value)

  defp outcomes(term) do
    names = Map.new(term["outcomes"], fn [number, verdict, name] -> {number, "#{verdict} #{name}"} end)
    Enum.map(column(term["outcome"]), &Map.fetch!(names, &1))
  end
end
