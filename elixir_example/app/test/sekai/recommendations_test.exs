defmodule Sekai.RecommendationsTest do
  use Sekai.DataCase

  import Sekai.ScriptedWorker, only: [answer: 2, calls: 1, found: 1, found: 2]

  alias PortWorker.Error
  alias Sekai.{Content, Models, Recommendations, ScriptedWorker}
  alias Sekai.Models.Serving
  alias Sekai.Recommendations.{Popular, Recommendation}

  # A machine that has much to do is not to decide.
  @patient [timeout: 30_000]

  setup_all do: {:ok, script: ScriptedWorker.start()}

  setup do
    :ok = Popular.refresh()
    :ok = Serving.refresh()
    {:ok, user: user()}
  end

  defp for_user(user, options \\ []), do: Recommendations.for_user(user.id, options ++ @patient)
  defp ids(%{items: items}), do: Enum.map(items, fn {item, _score} -> item.id end)

  defp popular(item, users) do
    for _ <- 1..users, do: interaction(user(), item)
    :ok = Popular.refresh()
  end

  defp serving(data_until) do
    {:ok, _model} =
      Models.put_version(%{version: "v1", algorithm: "ALS", trained_at: data_until, data_until: data_until})

    {:ok, _model} = Models.mark_active("v1")
    :ok = Serving.refresh()
  end

  describe "from a worker" do
    test "are its items in its order, with their scores", %{user: user, script: script} do
      [one, two] = [item(), item(%{kind: "prop"})]
      answer(script, %{recommend: found([two, one])})

      assert {:ok, %{items: [{^two, 2.0}, {^one, 1.0}], source: :model, model: "v1", fallback: nil}} =
               for_user(user)
    end

    test "are without what was made private after the model has learnt it", %{user: user, script: script} do
      items = for _ <- 1..3, do: item()
      answer(script, %{recommend: found(items)})
      :ok = Content.set_public(hd(items), false)
      {:ok, answer} = for_user(user)
      assert ids(answer) == items |> tl() |> Enum.map(& &1.id)
    end

    test "are without what the database does not have", %{user: user, script: script} do
      item = item()
      answer(script, %{recommend: found([Ecto.UUID.generate(), "castle", item])})
      {:ok, answer} = for_user(user)
      assert ids(answer) == [item.id]
    end

    test "are as many as were asked for, also where some are private", %{user: user, script: script} do
      [private | public] = for _ <- 1..4, do: item()
      :ok = Content.set_public(private, false)
      answer(script, %{recommend: found([private | public])})
      {:ok, answer} = for_user(user, n: 2)
      assert ids(answer) == public |> Enum.take(2) |> Enum.map(& &1.id)
      assert [{:recommend, %{n: asked}, _deadline}] = calls(script)
      assert asked > 2
    end

    test "are of the kinds, and without the ids, that the worker is told", %{user: user, script: script} do
      {map, prop} = {item(), item(%{kind: "prop"})}
      answer(script, %{recommend: found([map, prop])})

      {:ok, answer} =
        for_user(user, kinds: ["prop"], exclude: [String.upcase(map.id), "castle", "sixteen letters!"])

      assert [{:recommend, %{kinds: ["prop"], exclude: [excluded]}, _deadline}] = calls(script)
      assert excluded == map.id
      # Nor does it matter whether the worker keeps to it.
      assert ids(answer) == [prop.id]
    end

    test "know what the model does not yet", %{user: user, script: script} do
      [old, new] = [item(), item()]
      interaction(user, old, %{time: ~U[2026-01-01 00:00:00Z]})
      serving(~U[2026-01-02 00:00:00.000000Z])
      answer(script, %{recommend: found([])})

      {:ok, _answer} = for_user(user)
      assert [{:recommend, arguments, _deadline}] = calls(script)
      refute Map.has_key?(arguments, :recent)

      interaction(user, new, %{time: ~U[2026-01-03 00:00:00Z]})
      {:ok, _answer} = for_user(user)
      assert [_first, {:recommend, %{recent: recent}, _deadline}] = calls(script)
      assert recent == [old.id, new.id]
    end

    test "do without what the model can't learn from", %{user: user, script: script} do
      item = item()
      serving(~U[2026-01-02 00:00:00.000000Z])
      interaction(user, item)
      refused = {:error, :unsupported_option, %{"field" => "recent"}}
      answer(script, %{recommend: %{recent: refused, plain: found([item])}})
      assert {:ok, %{source: :model, fallback: nil} = answer} = for_user(user)
      assert ids(answer) == [item.id]
    end

    test "may ignore what the model does not know of a user's history", %{user: user, script: script} do
      serving(~U[2026-01-02 00:00:00.000000Z])
      interaction(user, item())
      item = item()
      answer(script, %{recommend: found([item], %{source: :popular, ignored: ["recent[0]"]})})
      assert {:ok, %{source: :popular, fallback: nil}} = for_user(user)
    end

    test "of somebody who is new are what the worker has for them", %{script: script} do
      item = item()
      answer(script, %{recommend: found([item], %{source: :popular})})
      assert {:ok, %{source: :popular, model: "v1"}} = Recommendations.for_user(Ecto.UUID.generate(), @patient)
    end
  end

  describe "in place of a worker's" do
    test "are those that were stored, where they are", %{user: user, script: script} do
      popular(item(), 2)
      stored = for _ <- 1..3, do: item()
      stored_list(user, stored)
      answer(script, %{recommend: {:error, :no_model}})

      assert {:ok, %{source: :stored, model: "v0", fallback: %Error{code: :no_model}} = answer} = for_user(user)
      assert ids(answer) == Enum.map(stored, & &1.id)
      assert [{_item, 9.0} | _] = answer.items
    end

    test "are popular ones otherwise", %{user: user, script: script} do
      item = item()
      popular(item, 2)
      answer(script, %{recommend: {:error, :internal}})
      assert {:ok, %{source: :popular, model: nil, fallback: %Error{code: :internal}} = answer} = for_user(user)
      assert [{%{}, 2.0}] = answer.items
      assert ids(answer) == [item.id]
    end

    test "come within the time, if no worker does", %{user: user, script: script} do
      item = item()
      popular(item, 1)
      answer(script, %{recommend: :silence})
      began = System.monotonic_time(:millisecond)

      assert {:ok, %{fallback: %Error{code: :deadline_exceeded}}} =
               Recommendations.for_user(user.id, timeout: 400)

      # Three quarters of it.
      assert System.monotonic_time(:millisecond) - began >= 300
      assert [{:recommend, _arguments, _deadline}] = calls(script)
    end

    test "are public ones: none that was made private since", %{user: user, script: script} do
      answer(script, %{recommend: {:error, :no_model}})
      [private, public] = [item(), item()]
      popular(private, 3)
      popular(public, 2)
      stored_list(user, [private, public])
      :ok = Content.set_public(private, false)

      assert {:ok, %{source: :stored} = answer} = for_user(user)
      assert ids(answer) == [public.id]
      assert {:ok, %{source: :popular} = answer} = for_user(user())
      assert ids(answer) == [public.id]

      # A list of which nothing is left is none.
      :ok = Content.set_public(public, false)
      assert {:ok, %{source: :popular, items: []}} = for_user(user)
    end

    test "are of the kinds, without the ids, as many as asked for", %{user: user, script: script} do
      answer(script, %{recommend: {:error, :no_model}})
      maps = for _ <- 1..30, do: item()
      prop = item(%{kind: "prop"})
      stored_list(user, maps ++ [prop])
      assert {:ok, answer} = for_user(user, kinds: ["prop"])
      assert ids(answer) == [prop.id]
      assert {:ok, answer} = for_user(user, n: 2, exclude: [maps |> hd() |> Map.get(:id) |> String.upcase()])
      assert ids(answer) == maps |> Enum.slice(1, 2) |> Enum.map(& &1.id)
    end

    test "are none where the caller takes none", %{user: user, script: script} do
      stored_list(user, [item()])
      answer(script, %{recommend: {:error, :no_model}})
      assert {:error, %Error{code: :no_model}} = for_user(user, fallback: false)
    end

    test "are none for the caller's own mistakes, nor where it would be the database's turn", %{
      user: user,
      script: script
    } do
      stored_list(user, [item()])

      for code <- [:invalid_argument, :unsupported_option, :overloaded] do
        answer(script, %{recommend: {:error, code}})
        assert {:error, %Error{code: ^code}} = for_user(user)
      end
    end
  end

  describe "similar items" do
    test "are the worker's", %{script: script} do
      [item, other] = [item(), item()]
      answer(script, %{similar: found([other])})

      assert {:ok, %{source: :model, model: "v1", fallback: nil} = answer} =
               Recommendations.similar(item.id, @patient)

      assert ids(answer) == [other.id]
      assert [{:similar, %{item: asked}, _deadline}] = calls(script)
      assert asked == item.id
    end

    test "are public", %{script: script} do
      [item, private] = [item(), item(%{is_public: false})]
      answer(script, %{similar: found([private])})
      assert {:ok, %{items: []}} = Recommendations.similar(item.id, @patient)
    end

    test "of what the model does not know yet are popular ones, without itself", %{script: script} do
      [item, other] = [item(), item()]
      popular(item, 3)
      popular(other, 2)
      answer(script, %{similar: {:error, :unknown_item}})

      assert {:ok, %{source: :popular, fallback: %Error{code: :unknown_item}} = answer} =
               Recommendations.similar(item.id, @patient)

      assert ids(answer) == [other.id]

      assert {:error, %Error{code: :unknown_item}} =
               Recommendations.similar(item.id, [fallback: false] ++ @patient)
    end
  end

  describe "stored lists" do
    test "are in place of those before", %{user: user} do
      [one, two] = [item(), item()]
      stored_list(user, [one])
      stored_list(user, [two, one])
      assert %{item_ids: ids, scores: [9.0, 8.0], model_version: "v0"} = Repo.get!(Recommendation, user.id)
      assert ids == [two.id, one.id]
      assert Recommendations.count("v0") == 1
      assert Recommendations.count("v1") == 0
    end

    test "may be more than one statement takes" do
      now = DateTime.utc_now()
      users = for number <- 1..9_500, do: %{id: Ecto.UUID.generate(), username: "u#{number}", display_name: "u"}

      for chunk <- Enum.chunk_every(users, 5_000),
          do:
            Repo.insert_all(
              Sekai.Accounts.User,
              Enum.map(chunk, &Map.merge(&1, %{inserted_at: now, updated_at: now}))
            )

      rows =
        for %{id: id} <- users,
            do: %{user_id: id, item_ids: [], scores: [], source: "model", model_version: "big"}

      assert Recommendations.store(rows) == {:ok, 9_500}
      assert Recommendations.count("big") == 9_500
      assert Recommendations.store([]) == {:ok, 0}
    end
  end
end
