defmodule Sekai.ScriptedWorker do
  @moduledoc "A worker as `Sekai.Recommender` whose answers a test decides: see `scripted_worker.exs`."

  alias Sekai.Recommender

  @script Path.expand("scripted_worker.exs", __DIR__)

  @doc "Starts one for all tests of a module. Returns what the other functions take."
  @spec start(keyword()) :: Path.t()
  def start(options \\ []) do
    script = Path.join(System.tmp_dir!(), "sekai_script_#{System.pid()}_#{System.unique_integer([:positive])}")
    answer(script, %{})
    ExUnit.Callbacks.on_exit(fn -> Enum.each([script, script <> ".calls"], &File.rm/1) end)

    ExUnit.Callbacks.start_supervised!(
      {PortWorker,
       [name: Recommender, command: "elixir", args: ["--erl", "-noinput", @script, script], kill_after: 200] ++
         options}
    )

    {:ok, _facts} = PortWorker.await_ready(Recommender)
    script
  end

  @doc "Has it answer this from now on, and forget what it was asked."
  @spec answer(Path.t(), map()) :: :ok
  def answer(script, answers) do
    File.rm(script <> ".calls")
    # Renamed, so that the worker never reads half of it.
    File.write!(script <> ".new", :erlang.term_to_binary(answers))
    File.rename!(script <> ".new", script)
  end

  @doc "What it was asked since: the op, its arguments and its deadline, in their order."
  @spec calls(Path.t()) :: [{atom(), map(), term()}]
  def calls(script) do
    case File.read(script <> ".calls") do
      {:ok, lines} -> for line <- String.split(lines), do: line |> Base.decode64!() |> :erlang.binary_to_term()
      {:error, :enoent} -> []
    end
  end

  @doc "The answer of a `recommend` or `similar` that has these items, best first."
  @spec found([Sekai.Content.Item.t() | String.t()], map()) :: {:ok, map()}
  def found(items, more \\ %{}) do
    scored = items |> Enum.reverse() |> Enum.with_index(1) |> Enum.reverse()
    pairs = for {item, score} <- scored, do: {id(item), score / 1}

    {:ok,
     Map.merge(
       %{items: pairs, source: :model, model: "v1", exhausted: false, scored: length(pairs), ignored: []},
       more
     )}
  end

  defp id(%{id: id}), do: id
  defp id(id), do: id
end
