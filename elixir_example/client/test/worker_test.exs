defmodule PortWorker.WorkerTest do
  # The real worker, a real model, on the seeded world.
  use ExUnit.Case, async: false

  import ExUnit.CaptureLog
  import PortWorker.Eventually

  alias PortWorker.{Atoms, Columns, Error, OSProcess, Real}

  @moduletag timeout: 300_000

  setup_all do
    home = Real.temporary_home()
    worker = start_supervised!({PortWorker, Real.options(home)})
    assert {:error, %Error{code: :no_model}} = PortWorker.recommend(worker, 1, timeout: 120_000)

    test = self()

    {{:ok, model}, _log} =
      with_log(fn ->
        PortWorker.retrain(worker, algorithm: "ALS", on_progress: &send(test, {:progress, &1}))
      end)

    {user, seen} = Real.busiest_user(home)
    %{home: home, worker: worker, model: model, progress: received(), user: user, seen: seen}
  end

  defp received do
    receive do
      {:progress, progress} -> [progress | received()]
    after
      0 -> []
    end
  end

  test "retrain reports each phase in order, and what was made", %{progress: progress, model: model} do
    shares = Enum.map(progress, & &1.share)

    phases = [:extract, :prepare, :fit, :evaluate, :final_fit, :export, :load]
    assert progress |> Enum.map(& &1.phase) |> Enum.dedup() == phases
    assert shares == Enum.sort(shares)
    assert List.last(shares) == 1.0
    assert %{algorithm: "ALS", rows: rows, users: users, items: items} = model
    assert rows > users and users > 0 and items > 0
    assert %{activated: true, mode: :full, skipped: 0, evaluation: %{candidate: %{ndcg: ndcg}}} = model
    assert ndcg > model.evaluation.popularity.ndcg
  end

  test "recommend gives a known user new items of the model, by the same kind of id", context do
    assert {:ok, found} = PortWorker.recommend(context.worker, context.user, n: 20)
    {ids, scores} = Enum.unzip(found.items)

    assert found.source == :model and found.model == context.model.version and found.exhausted == false
    assert length(Enum.uniq(ids)) == 20
    assert Enum.all?(ids, &(byte_size(&1) == 36))
    assert scores == Enum.sort(scores, :desc)
    assert ids -- context.seen == ids
  end

  test "exclude takes items out and fills up from below", %{worker: worker, user: user} do
    {:ok, %{items: [{best, _}, {second, score} | _]}} = PortWorker.recommend(worker, user)

    assert {:ok, %{items: [{^second, ^score} | _] = items}} =
             PortWorker.recommend(worker, user, exclude: [best])

    assert length(items) == 10
  end

  test "columns hold the same ids and scores as pairs, and take ids out", %{worker: worker, user: user} do
    {:ok, %{items: pairs} = found} = PortWorker.recommend(worker, user, n: 8)
    assert {:ok, %{items: columns} = other} = PortWorker.recommend(worker, user, n: 8, form: :columns)
    assert Map.delete(found, :items) == Map.delete(other, :items)

    assert {{:uuid, ids}, {:float32, scores}} = {columns.ids, columns.scores}
    assert for(<<id::binary-16 <- ids>>, do: uuid_text(id)) == Enum.map(pairs, &elem(&1, 0))
    assert for(<<score::float-little-32 <- scores>>, do: score) == Enum.map(pairs, &elem(&1, 1))

    {taken, _rest} = Enum.split(pairs, 3)
    raw = binary_part(ids, 0, 16 * length(taken))

    assert {:ok, %{items: left}} =
             PortWorker.recommend(worker, {:uuid, uuid_raw(user)}, n: 5, exclude: {:uuid, raw})

    assert left == pairs -- taken
  end

  defp uuid_text(raw) do
    raw |> Base.encode16(case: :lower) |> String.replace(~r/^(.{8})(.{4})(.{4})(.{4})/, "\\1-\\2-\\3-\\4-")
  end

  defp uuid_raw(text), do: text |> String.replace("-", "") |> Base.decode16!(case: :lower)

  test "an unknown user gets the popular items, and is told so", %{worker: worker} do
    assert {:ok, %{source: :popular, items: items}} = PortWorker.recommend(worker, "nobody", n: 5)
    assert {:ok, %{source: :popular, items: ^items}} = PortWorker.recommend(worker, 7, n: 5)
    assert length(items) == 5
  end

  test "options of recommend: kinds, what was had already, diversity, recent items", context do
    %{worker: worker, user: user, seen: [first | _] = seen} = context
    {:ok, %{items: plain}} = PortWorker.recommend(worker, user, n: 10_000)
    {:ok, %{items: maps}} = PortWorker.recommend(worker, user, n: 10_000, kinds: ["map"])
    assert maps != [] and maps == Enum.filter(plain, &(&1 in maps)) and length(maps) < length(plain)

    {:ok, %{items: all}} = PortWorker.recommend(worker, user, n: 10_000, filter_consumed: false)
    assert Enum.reject(all, fn {id, _} -> id in seen end) == plain

    assert {:ok, %{items: diverse}} = PortWorker.recommend(worker, user, diversity: 0.9)
    assert diverse != Enum.take(plain, 10) and diverse -- plain == []

    assert {:ok, %{source: :fold_in, ignored: ["recent[1]"]}} =
             PortWorker.recommend(worker, "nobody", recent: [first, "no item"])

    assert {:error,
            %Error{code: :unsupported_option, details: %{"field" => "features", "kind" => "embedding"}}} =
             PortWorker.recommend(worker, "nobody", features: [platform: "pc"])

    assert {:error, %Error{code: :invalid_argument, details: %{"field" => "kinds[0]", "known" => known}}} =
             PortWorker.recommend(worker, user, kinds: ["spell"])

    assert Enum.sort(known) == ["avatar", "map", "prop"]
  end

  test "recommend_many answers each user what recommend does, from a list or a column", context do
    %{worker: worker, user: user, model: %{version: version}} = context
    users = [user, "nobody", user]
    assert {:ok, %{n: 4, model: ^version} = found} = PortWorker.recommend_many(worker, users, n: 4)

    for {user, many} <- Enum.zip(users, Columns.users(found)) do
      {:ok, one} = PortWorker.recommend(worker, user, n: 4)
      assert many.source == one.source
      assert Enum.map(many.items, &elem(&1, 0)) == Enum.map(one.items, &elem(&1, 0))
      for {{_, a}, {_, b}} <- Enum.zip(many.items, one.items), do: assert_in_delta(a, b, 1.0e-5)
    end

    column = Columns.from_ids(List.duplicate(user, 5_000))
    assert {:ok, many} = PortWorker.recommend_many(worker, column)
    assert [{%{source: :model}, 5_000}] = many |> Columns.users() |> Enum.frequencies() |> Map.to_list()

    assert {:error, %Error{code: :reply_too_large}} =
             PortWorker.recommend_many(worker, Columns.from_ids(Enum.to_list(1..100_000)), n: 100)
  end

  test "similar, score and explain tell of single items", context do
    %{worker: worker, user: user, seen: seen, model: %{version: version}} = context
    {:ok, %{items: [{best, score}, {second, _} | _]}} = PortWorker.recommend(worker, user)

    assert {:ok, %{metric: :cosine, model: ^version, exhausted: false, items: alike}} =
             PortWorker.similar(worker, best, n: 5)

    assert length(alike) == 5 and not List.keymember?(alike, best, 0)
    assert {:ok, %{metric: :dot}} = PortWorker.similar(worker, best, metric: :dot)

    assert {:ok, %{scores: [best_again, nil, _], source: :model, model: ^version}} =
             PortWorker.score(worker, user, [best, "no item", second])

    assert_in_delta best_again, score, 1.0e-5
    assert {:ok, %{scores: column}} = PortWorker.score(worker, user, [best, "no item"], form: :columns)
    assert [_, nil] = Columns.to_list(column)

    assert {:ok, %{items: reasons, method: :exact, source: :model, score: explained}} =
             PortWorker.explain(worker, user, best, n: 3)

    assert_in_delta explained, score, 1.0e-5
    assert length(reasons) == 3 and Enum.all?(reasons, fn {id, _} -> id in seen end)

    for answer <- [PortWorker.similar(worker, "no item"), PortWorker.explain(worker, user, "no item")] do
      assert {:error, %Error{code: :unknown_item, retryable?: false}} = answer
    end
  end

  test "feedback counts at once, one by one or many", %{worker: worker, user: user} do
    {:ok, %{items: [{first, _}, {second, _} | _]}} = PortWorker.recommend(worker, "newcomer")

    assert {:ok, %{accepted: 1, unknown_users: 1, unknown_items: 0}} =
             PortWorker.feedback(worker, %{user: "newcomer", item: first, weight: 2.5})

    assert {:ok, %{source: :fold_in, items: items}} = PortWorker.recommend(worker, "newcomer", n: 10_000)
    refute List.keymember?(items, first, 0)

    batch = %{users: ["newcomer", "other"], items: [second, "no item"], weights: Columns.from_floats([1, -1])}

    assert {:ok, %{accepted: 2, unknown_users: 2, unknown_items: 1, stored: stored}} =
             PortWorker.feedback(worker, batch)

    assert {:ok, %{feedback_rows: ^stored}} = PortWorker.status(worker)
    {:ok, %{items: items}} = PortWorker.recommend(worker, "newcomer", n: 10_000)
    refute List.keymember?(items, second, 0)
    assert {:ok, %{source: :model}} = PortWorker.recommend(worker, user)

    assert {:error, %Error{code: :invalid_argument, details: %{"field" => "items"}}} =
             PortWorker.feedback(worker, users: ["a", "b"], items: [first])
  end

  test "hidden items are in no later answer until they are shown", %{worker: worker, user: user} do
    {:ok, %{items: [{best, _}, {second, _} | _]} = before} = PortWorker.recommend(worker, user)

    assert {:ok, %{changed: 2, hidden: 2, unknown: 1}} = PortWorker.hide_items(worker, [best, "no item"])
    assert {:ok, %{items: [{^second, _} | _]}} = PortWorker.recommend(worker, user)
    assert {:ok, found} = PortWorker.recommend_many(worker, [user, "nobody"], n: 10_000)
    refute best in Columns.to_list(found.ids)

    assert {:ok, %{changed: 2, hidden: 0}} = PortWorker.show_items(worker, [best, "no item"])
    assert PortWorker.recommend(worker, user) == {:ok, before}
  end

  test "arguments that are refused are named, and the worker goes on", %{worker: worker, user: user} do
    for n <- [0, -1, 1_000_000_000, "ten"] do
      assert {:error, %Error{code: :invalid_argument, retryable?: false, details: %{"field" => "n"}} = error} =
               PortWorker.recommend(worker, user, n: n)

      assert error.message =~ "n: expected an integer from 1 to "
    end

    assert {:error, %Error{code: :unknown_algorithm}} = PortWorker.retrain(worker, algorithm: "Oracle")

    assert {:error, %Error{code: :invalid_hyperparameter, message: message}} =
             PortWorker.retrain(worker, algorithm: "ALS", params: [colour: "red"])

    assert message =~ "colour"
    assert {:ok, :pong} = PortWorker.ping(worker)
  end

  test "an op that the worker does not know, and one that it does not finish in time", %{worker: worker} do
    call = PortWorker.Call.new(:models, %{user: 1}, [])
    assert {:error, %Error{code: :unknown_argument}} = PortWorker.Call.run(worker, call)
    assert {:error, %Error{code: :unknown_op}} = PortWorker.Call.run(worker, %{call | op: :maybe, args: %{}})
    assert {:error, %Error{code: :deadline_exceeded}} = PortWorker.retrain(worker, timeout: 200)
    assert eventually(fn -> match?({:ok, %{training: nil}}, PortWorker.status(worker)) end)
  end

  test "models and status tell what serves, without TensorFlow", %{worker: worker, model: %{version: version}} do
    assert {:ok, %{active: ^version, versions: [%{version: ^version, active: true, damaged: nil}]}} =
             PortWorker.models(worker)

    assert {:ok, %{state: :ready, heavy_modules: [], model: %{version: ^version}}} = PortWorker.status(worker)
  end

  test "what is not stored is not activated, and what was never active is not rolled back to", context do
    %{worker: worker, user: user, model: %{version: version}} = context

    for name <- ["20240101T000000Z-als-000000", "../models"] do
      assert {:error, %Error{code: :unknown_version, retryable?: false, details: %{"got" => ^name}}} =
               PortWorker.activate(worker, name)
    end

    assert {:error, %Error{code: :no_previous_version, retryable?: false}} = PortWorker.rollback(worker)

    assert PortWorker.activate(worker, version) ==
             {:ok, %{version: version, algorithm: "ALS", previous: version}}

    assert {:ok, %{model: ^version}} = PortWorker.recommend(worker, user)
  end

  test "one retrain at a time; calls are answered meanwhile; a cancelled one makes room", context do
    %{worker: worker, user: user, model: %{version: version}} = context
    {test, ref} = {self(), make_ref()}
    training = Task.async(fn -> PortWorker.retrain(worker, ref: ref, on_progress: {test, ref}) end)
    assert_receive {^ref, {:progress, _}}, 60_000

    assert {:error, %Error{code: :training_in_progress, retryable?: true}} = PortWorker.retrain(worker)
    assert {:ok, %{source: :model}} = PortWorker.recommend(worker, user)
    assert {:ok, %{training: %{phase: _}}} = PortWorker.status(worker)

    assert PortWorker.cancel(worker, ref) == :ok
    assert {:error, %Error{code: :cancelled}} = Task.await(training)
    assert eventually(fn -> match?({:ok, %{training: nil}}, PortWorker.status(worker)) end)
    assert {:ok, %{active: ^version}} = PortWorker.models(worker)
  end

  test "1,000 callers at once are each answered or told of the overload", %{worker: worker, user: user} do
    answers =
      1..1_000
      |> Enum.map(fn _ -> Task.async(fn -> PortWorker.recommend(worker, user) end) end)
      |> Task.await_many(60_000)

    codes =
      Enum.frequencies_by(answers, fn
        {:ok, %{source: :model}} -> :ok
        {:error, %Error{code: code}} -> code
      end)

    assert Map.keys(codes) -- [:ok, :overloaded] == []
    assert codes.ok >= 64
  end

  test "a killed worker is replaced and serves the same model; stop and drain end one",
       %{home: home} = context do
    name = __MODULE__.Killed
    start_supervised!({PortWorker, Real.options(home, name: name)})
    assert {:ok, %{os_pid: os_pid}} = PortWorker.status(name, timeout: 60_000)
    monitor = name |> Process.whereis() |> Process.monitor()
    {_, 0} = System.cmd("/bin/sh", ["-c", "kill -9 #{os_pid}"])
    assert_receive {:DOWN, ^monitor, :process, _, %Error{code: :worker_down}}, 5_000

    assert eventually(fn -> match?({:ok, _}, PortWorker.recommend(name, context.user, timeout: 60_000)) end)
    assert {:ok, %{model: version, source: :model}} = PortWorker.recommend(name, context.user)
    assert version == context.model.version

    assert {:ok, %{os_pid: os_pid}} = PortWorker.status(name)
    assert {:ok, %{completed: completed}} = PortWorker.drain(name)
    assert completed >= 3
    assert {:error, %Error{code: :draining}} = PortWorker.recommend(name, context.user)
    assert :ok = stop_supervised(name)
    refute OSProcess.alive?(os_pid)
  end

  test "the atoms and the retryable errors are the worker's" do
    code = "from protocol.atoms import CLOSED_SET; print(*sorted(CLOSED_SET))"
    assert Real.python(code) |> String.split() == Atoms.all() |> Enum.map(&Atom.to_string/1) |> Enum.sort()

    code = "from protocol.errors import CODES; print(*(c for c in CODES if CODES[c].retryable))"
    retryable = Real.python(code) |> String.split()

    for shared <- [:overloaded, :deadline_exceeded, :cancelled, :frame_too_large, :invalid_argument] do
      assert Error.new(shared, "").retryable? == to_string(shared) in retryable
    end
  end
end
