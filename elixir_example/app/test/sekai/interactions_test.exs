defmodule Sekai.InteractionsTest do
  use Sekai.DataCase, async: true

  alias Sekai.{Content, Interactions}
  alias Sekai.Interactions.Interaction

  setup do: {:ok, user: user(), item: item()}

  defp visit(user, item, more \\ %{}),
    do: Map.merge(%{id: Ecto.UUID.generate(), user_id: user.id, item_id: item.id, kind: "visit"}, more)

  defp ago(seconds), do: DateTime.add(DateTime.utc_now(), -seconds)

  describe "record" do
    test "a batch, each once", %{user: user, item: item} do
      [one, two] = [visit(user, item), visit(user, item, %{kind: "favourite"})]
      assert Interactions.record([one, two]) == {:ok, %{accepted: 2, duplicates: 0}}
      assert Interactions.record([two, one]) == {:ok, %{accepted: 0, duplicates: 2}}
      three = visit(user, item)
      assert Interactions.record([one, three, three]) == {:ok, %{accepted: 1, duplicates: 2}}
      assert Interactions.record([]) == {:ok, %{accepted: 0, duplicates: 0}}
    end

    test "more than one statement takes", %{user: user, item: item} do
      batch = for _ <- 1..2_500, do: visit(user, item)
      assert Interactions.record(batch) == {:ok, %{accepted: 2_500, duplicates: 0}}
    end

    test "what is there is left as it is", %{user: user, item: item} do
      one = visit(user, item)
      Interactions.record([one])
      assert {:ok, %{duplicates: 1}} = Interactions.record([%{one | user_id: user().id, kind: "favourite"}])
      assert %{user_id: user_id, kind: "visit"} = Repo.get!(Interaction, one.id)
      assert user_id == user.id
    end

    test "a weight by kind, and now, where nothing is said", %{user: user, item: item} do
      [one, two] = [visit(user, item), visit(user, item, %{kind: "favourite"})]
      three = visit(user, item, %{weight: 2.5, time: ~U[2026-01-02 03:04:05Z]})
      Interactions.record([one, two, three])
      assert %{weight: 1.0, time: time} = Repo.get!(Interaction, one.id)
      assert abs(DateTime.diff(time, DateTime.utc_now())) < 60
      assert %{weight: 3.0} = Repo.get!(Interaction, two.id)
      assert %{weight: 2.5, time: ~U[2026-01-02 03:04:05.000000Z]} = Repo.get!(Interaction, three.id)
    end

    test "with the names of JSON", %{user: user, item: item} do
      one =
        for {key, value} <- visit(user, item, %{time: "2026-01-02T03:04:05Z"}), into: %{}, do: {"#{key}", value}

      assert Interactions.record([one]) == {:ok, %{accepted: 1, duplicates: 0}}
    end

    test "all or none", %{user: user, item: item} do
      fine = visit(user, item)
      wrong = visit(user, item, %{kind: "glance"})
      assert Interactions.record([fine, wrong]) == {:error, [%{index: 1, field: :kind, message: "is invalid"}]}
      assert Repo.get(Interaction, fine.id) == nil
    end

    test "and say what is wrong", %{user: user, item: item} do
      for {change, field, message} <- [
            {%{id: "one"}, :id, "is invalid"},
            {%{id: "sixteen letters"}, :id, "is invalid"},
            {%{id: nil}, :id, "can't be blank"},
            {%{user_id: "ada"}, :user_id, "is invalid"},
            {%{item_id: 7}, :item_id, "is invalid"},
            {%{weight: 0}, :weight, "must be greater than 0"},
            {%{weight: 1001}, :weight, "must be less than or equal to 1000"},
            {%{time: "yesterday"}, :time, "is invalid"},
            {%{time: ago(-3600)}, :time, "must not be in the future"},
            {%{user_id: Ecto.UUID.generate()}, :user_id, "does not exist"},
            {%{item_id: Ecto.UUID.generate()}, :item_id, "does not exist"}
          ] do
        assert Interactions.record([visit(user, item, change)]) ==
                 {:error, [%{index: 0, field: field, message: message}]}
      end
    end
  end

  describe "history" do
    test "is a user's own, newest first", %{user: user, item: item} do
      [old, new] = [interaction(user, item, %{time: ago(60)}), interaction(user, item)]
      interaction(user(), item)
      assert Enum.map(Interactions.history(user.id), & &1.id) == [new.id, old.id]
      assert Enum.map(Interactions.history(user.id, 1), & &1.id) == [new.id]
    end
  end

  describe "recent items" do
    setup %{user: user} do
      items = for _ <- 1..3, do: item()

      for {item, number} <- Enum.with_index(items),
          do: interaction(user, item, %{time: ago(300 - number * 100)})

      {:ok, ids: Enum.map(items, & &1.id)}
    end

    test "are all, oldest first, where one is newer than the model's data", %{user: user, ids: ids} do
      assert Interactions.recent_items(user.id, ago(150)) == ids
      assert Interactions.recent_items(user.id, ago(150), 2) == Enum.take(ids, -2)
    end

    test "are none where the model knows all of it, or nobody knows what it knows", %{user: user} do
      assert Interactions.recent_items(user.id, ago(50)) == []
      assert Interactions.recent_items(user.id, nil) == []
      assert Interactions.recent_items(user().id, ago(150)) == []
    end

    test "are there once each, where they were last", %{user: user, ids: [one, two, three]} do
      interaction(user, %{id: one})
      assert Interactions.recent_items(user.id, ago(150)) == [two, three, one]
    end
  end

  describe "popular items" do
    test "are what most users had, each counted once", %{user: user, item: item} do
      other = item(%{kind: "prop"})
      for _ <- 1..3, do: interaction(user, other)
      for user <- [user, user()], do: interaction(user, item)

      assert Interactions.popular_items(10) == [{item.id, 2.0}, {other.id, 1.0}]
      assert Interactions.popular_items(1) == [{item.id, 2.0}]
      assert Interactions.popular_items(10, ["prop", "avatar"]) == [{other.id, 1.0}]
    end

    test "are public, and of late", %{user: user, item: item} do
      {private, old} = {item(), item()}
      interaction(user, private)
      interaction(user, old, %{time: ago(91 * 86_400)})
      interaction(user, item)
      :ok = Content.set_public(private, false)
      assert Interactions.popular_items(10) == [{item.id, 1.0}]
    end
  end
end
