defmodule PortWorker.GuidesTest do
  # What the guides say is so: their code parses, names nothing that is not there, and what can run does.
  use ExUnit.Case, async: false

  import ExUnit.CaptureIO
  import PortWorker.Eventually

  alias PortWorker.{Atoms, Error, Fake, Fleet, Guide, Lease, Options, Pool, Real, Telemetry}

  @client Path.expand("..", __DIR__)
  @root Path.expand("../..", @client)

  @worker_options Map.keys(struct(Options)) -- [:__struct__, :backoff]
  @options %{
    PortWorker => @worker_options,
    Pool => @worker_options ++ Map.keys(struct(Pool.Options)),
    Lease => @worker_options ++ Map.keys(struct(Lease.Options)),
    Fleet =>
      @worker_options ++
        Map.keys(struct(Lease.Options)) ++ Map.keys(struct(Fleet.Options)) ++ Map.keys(struct(Fleet.Scaling)),
    Lease.Flame => [:pool],
    Lease.Node => [:nodes, :supervisor]
  }

  for guide <- Guide.all() do
    describe guide do
      @text Guide.read(guide)

      test "calls what there is, with options that there are" do
        ast = for block <- Guide.blocks(@text), do: Code.string_to_quoted!(block)

        for {module, function, arguments} <- Guide.calls(ast) do
          assert exported?(module, function, length(arguments)),
                 "#{inspect(module)}.#{function}/#{length(arguments)}"

          if module == PortWorker, do: try_options(function, arguments)
        end

        for {module, keys} <- Guide.children(ast), do: assert(keys -- Map.fetch!(@options, module) == [])
        for keys <- Guide.configured(ast), do: assert(keys -- @worker_options == [])
        for {module, keys} <- Guide.structs(ast), do: assert(keys -- Map.keys(struct(module)) == [])
      end

      test "names what there is" do
        for code <- Guide.inline(@text), do: assert(there?(code), "#{code} is not there")
      end

      test "links to what there is, and is linked to" do
        for file <- links(@text), not String.contains?(file, ":"), do: assert(file in Guide.all())

        guide = unquote(guide)
        assert "guides/#{guide}" in Mix.Project.config()[:docs][:extras]
        assert guide in links(moduledoc())
        assert "client/guides/#{guide}" in links(File.read!(Path.join(@client, "../README.md")))
      end
    end
  end

  defp links(text), do: for([_all, to] <- Regex.scan(~r/\]\(([^)]+)\)/, text), do: to)

  defp moduledoc do
    {:docs_v1, _, _, _, %{"en" => text}, _, _} = Code.fetch_docs(PortWorker)
    text
  end

  defp exported?(module, function, arity),
    do: Code.ensure_loaded?(module) and function_exported?(module, function, arity)

  # A call of nobody, which says so unless it refuses its options before.
  defp try_options(function, [_server | arguments]) do
    {arguments, [last]} = Enum.split([nil | arguments], -1)

    if Keyword.keyword?(last) and last != [] do
      options = for key <- Keyword.keys(last), do: {key, some(key)}
      [nil | between] = arguments

      try do
        apply(PortWorker, function, [:nobody | Enum.map(between, fn _argument -> [1] end)] ++ [options])
      rescue
        error in Error -> assert error.code == :worker_down
      end
    end
  end

  defp some(:ref), do: make_ref()
  defp some(:on_progress), do: nil
  defp some(key) when key in [:params, :retriever_params, :features], do: []
  defp some(_key), do: 1

  # Functions, modules, events, atoms, keys and environment variables; the rest is not this library's.
  defp there?("PortWorker" <> _ = code) do
    case Regex.run(~r/^(PortWorker[\w.]*?)(?:\.([a-z_]+[?!]?)\/(\d))?$/, code) do
      [_all, module] ->
        Code.ensure_loaded?(Module.concat([module]))

      [_all, module, name, arity] ->
        exported?(Module.concat([module]), String.to_atom(name), String.to_integer(arity))

      nil ->
        false
    end
  end

  defp there?("[:port_worker" <> _ = code), do: elem(Code.eval_string(code), 0) in Telemetry.events()
  defp there?("PORT_WORKER_" <> _ = code), do: File.read!(Path.join(@root, "README.md")) =~ code

  defp there?(code) do
    case Regex.run(~r/^(?::([a-z_]+[?!]?)|([a-z_]+): .*|([a-z_]+):)$/, code, capture: :all_but_first) do
      nil -> true
      found -> found |> List.last() |> known?()
    end
  end

  defp known?(name),
    do: sources() =~ ~r/:#{name}\b|\b#{name}:/ or name in Enum.map(Atoms.all(), &Atom.to_string/1)

  defp sources do
    for file <- Path.wildcard(Path.join(@client, "lib/**/*.ex")), into: "", do: File.read!(file)
  end

  describe "what they show, with a worker that is told what to do" do
    setup do
      start_supervised!({PortWorker, Fake.options("normal", name: MyApp.Recommender)})
      PortWorker.await_ready!(MyApp.Recommender)
      :ok
    end

    test "recommendations, or the best sellers" do
      "deadlines-and-overload.md"
      |> Guide.read()
      |> Guide.block!("MyApp.Recommendations")
      |> Code.eval_string()

      for_user = &apply(MyApp.Recommendations, :for_user, [&1])
      assert for_user.(7) == %{items: [7], source: :model}
      assert for_user.("silence") == %{items: ["m1"], source: :fallback}
      assert_raise Error, fn -> for_user.(self()) end

      stop_supervised!(MyApp.Recommender)
      assert for_user.(7) == %{items: ["m1"], source: :fallback}
    end

    test "whether it is ready" do
      "deadlines-and-overload.md" |> Guide.read() |> Guide.block!("HealthController") |> Code.eval_string()
      ready = fn -> apply(MyAppWeb.HealthController, :ready, [%{}, %{}]) end
      assert ready.() == {200, "", %{}}
      stop_supervised!(MyApp.Recommender)
      assert ready.() == {503, "", %{}}
    end

    test "a process that trains" do
      "retraining.md" |> Guide.read() |> Guide.block!("MyApp.Retrainer") |> Code.eval_string()
      retrainer = start_supervised!(MyApp.Retrainer)
      send(retrainer, :retrain)
      training = eventually(fn -> :sys.get_state(retrainer).training end)
      send(retrainer, :retrain)
      assert :sys.get_state(retrainer).training == training

      PortWorker.cancel(training)
      assert eventually(fn -> :sys.get_state(retrainer).training == nil end)
      assert Process.whereis(MyApp.Retrainer) == retrainer
    end
  end

  test "a worker and a pool are started anew" do
    block = &("upgrading.md" |> Guide.read() |> Guide.block!(&1))
    worker = {PortWorker, Fake.options("normal", name: MyApp.Recommender)}
    {:ok, supervisor} = Supervisor.start_link([worker], strategy: :one_for_one, name: MyApp.Supervisor)
    before = Process.whereis(MyApp.Recommender)
    PortWorker.await_ready!(MyApp.Recommender)
    Code.eval_string(block.("terminate_child"))
    assert Process.whereis(MyApp.Recommender) not in [nil, before]
    Supervisor.stop(supervisor)

    start_supervised!({Pool, Fake.options("normal", name: MyApp.Recommender, workers: 2)})
    Pool.await_ready(MyApp.Recommender)
    before = for %{pid: pid} <- Pool.workers(MyApp.Recommender), do: pid
    Code.eval_string(block.("PortWorker.Pool.restart("))
    assert [%{state: :ready, pid: first}, %{state: :ready, pid: second}] = Pool.workers(MyApp.Recommender)
    assert first not in before and second not in before
    "pools.md" |> Guide.read() |> Guide.block!("PortWorker.Pool.workers(") |> Code.eval_string()
  end

  @tag timeout: 300_000
  test "getting-started.md, word for word but for Phoenix itself" do
    guide = Guide.read("getting-started.md")
    projects = Real.temporary_home()
    config = Path.join(projects, "my_app/config/config.exs")
    File.mkdir_p!(Path.dirname(config))
    File.ln_s!(@root, Path.join(projects, "port_worker"))

    {shown, 0} = sh(Guide.block!(guide, "-c users", "sh"), projects)
    [_all, user] = Regex.run(~r/^Zane Grant +(\S+)$/m, guide)
    assert shown =~ user

    [my_app: settings] =
      Config.Reader.eval!(config, "import Config\n" <> Guide.block!(guide, "# config/config.exs"))

    Application.put_all_env(my_app: settings)
    on_exit(fn -> Application.delete_env(:my_app, MyApp.Recommender) end)

    {:=, _, [_children, children]} =
      guide |> Guide.block!("# lib/my_app/application.ex") |> Code.string_to_quoted!()

    [options] = for {{:__aliases__, _, [:PortWorker]}, options} <- children, do: options
    {options, []} = Code.eval_quoted(options)
    start_supervised!({PortWorker, options ++ [boot_timeout: 120_000]})
    PortWorker.await_ready!(MyApp.Recommender, 120_000)

    guide |> Guide.block!("# lib/my_app_web/controllers/recommendation_controller.ex") |> Code.eval_string()
    index = fn user -> apply(MyAppWeb.RecommendationController, :index, [%{}, %{"user" => user}]) end
    # A busy machine may take more than the guide's 250 ms.
    page = fn user -> eventually(fn -> with({504, _, _} <- index.(user), do: nil) end) end
    {503, none_yet, %{"retry-after" => "1"}} = page.(user)
    assert guide =~ none_yet

    retrain = fn -> guide |> Guide.block!("PortWorker.retrain(") |> Code.eval_string() end
    {{{:ok, %{activated: true}}, []}, progress} = with_io(retrain)
    assert progress =~ "{:extract, 0.0}\n" and progress =~ "{:load, 1.0}\n"
    assert {:index, %{user: ^user, source: :model, items: [_, _, _, _, _]}} = page.(user)

    assert {:index, %{source: :popular}} = page.("nobody")
    guide |> Guide.block!("PortWorker.feedback(") |> Code.eval_string()
    assert {:index, %{source: :fold_in}} = page.("nobody")

    guide |> Guide.block!("System.cmd(\"kill\"") |> Code.eval_string()
    assert eventually(fn -> match?({:index, %{source: :model}}, page.(user)) end)
  end

  defp sh(command, folder), do: System.cmd("/bin/sh", ["-c", command], cd: folder, stderr_to_stdout: true)
end
