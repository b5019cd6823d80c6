defmodule Sekai.Streams.GuideTest do
  use Sekai.DataCase, async: false

  import ExUnit.CaptureLog

  alias Membrane.Testing.Pipeline
  alias Sekai.Streams
  alias Sekai.Streams.{Event, Recommended}

  # The blocks of the guide, run as they stand there; no worker runs.
  @guide Path.expand("../../../guides/membrane.md", __DIR__)
  @external_resource @guide

  defp blocks do
    for [_all, code] <- Regex.scan(~r/```elixir\n(.*?)```/s, File.read!(@guide)), do: code
  end

  defp block(text), do: Enum.find(blocks(), &(&1 =~ text)) || flunk("the guide has no block with #{text}")

  test "every block of the guide is Elixir" do
    assert length(blocks()) == 5
    for code <- blocks(), do: assert({:ok, _quoted} = Code.string_to_quoted(code))
  end

  test "the jobs and the run of the guide are as it says" do
    assert {{:ok, %Oban.Job{queue: "streams"}}, _} = Code.eval_string(block("new(%{})"))
    assert {{:ok, %Oban.Job{args: args}}, _} = Code.eval_string(block(~S("since")))
    assert {:ok, options} = Sekai.Jobs.StreamWorker.options(args)
    assert options[:cursor] == nil
    assert {{:ok, %{events: 0}}, _} = Code.eval_string(block("by hand"))
  end

  test "the room of the guide shows recommendations, and its filter may crash" do
    # The sink comes first, since the pipeline names it.
    modules = block("defmodule MyApp.Room")
    [room, show] = String.split(modules, ~r/(?=^defmodule MyApp.Show)/m)
    Code.compile_string(show)
    Code.compile_string(room)

    Phoenix.PubSub.subscribe(Sekai.PubSub, "shown:lobby")
    {:ok, bindings} = Code.eval_string(block("start_link(MyApp.Room"), user_id: "ada")
    assert_receive %Recommended{event: %Event{user_id: "ada"}, items: [], error: %PortWorker.Error{}}, 5_000

    pipeline = bindings[:pipeline]
    {:ok, filter} = Pipeline.get_child_pid(pipeline, :recommend)

    capture_log(fn ->
      Process.exit(filter, :kill)

      eventually(fn ->
        match?({:ok, another} when another != filter, Pipeline.get_child_pid(pipeline, :recommend))
      end)
    end)

    Streams.publish([%Event{user_id: "bob"}], "room:lobby")
    assert_receive %Recommended{event: %Event{user_id: "bob"}}, 5_000
    Membrane.Pipeline.terminate(pipeline)
  end
end
