defmodule PortWorker.OpsTest do
  # What each function puts on the wire, and what becomes of the columns that come back, with a worker that echoes.
  use ExUnit.Case, async: true

  alias PortWorker.{Columns, Error, Fake}

  @uuid "00112233-4455-6677-8899-aabbccddeeff"
  @raw <<0x00112233445566778899AABBCCDDEEFF::128>>

  setup_all do: %{server: Fake.start("normal")}

  test "recommend takes every option; features may have atoms as names", %{server: server} do
    options = [
      n: 3,
      exclude: [7],
      form: :columns,
      kinds: ["map"],
      filter_consumed: false,
      diversity: 0.5,
      recent: {:uuid, @raw},
      features: [language: "en", age: 20]
    ]

    args = options |> Map.new() |> Map.merge(%{user: "echo", features: %{"language" => "en", "age" => 20}})
    assert PortWorker.recommend(server, "echo", options) == {:ok, {:recommend, args}}

    assert PortWorker.recommend(server, "echo", features: nil) ==
             {:ok, {:recommend, %{user: "echo", features: nil}}}
  end

  test "similar, score and explain", %{server: server} do
    assert PortWorker.similar(server, 7) == {:ok, {:similar, %{item: 7}}}
    options = [n: 2, metric: :dot, kinds: ["map"], exclude: {:int64, <<1::64>>}, form: :pairs]

    assert PortWorker.similar(server, 7, options) ==
             {:ok, {:similar, options |> Map.new() |> Map.put(:item, 7)}}

    assert PortWorker.score(server, 1, [2, 3]) == {:ok, {:score, %{user: 1, items: [2, 3]}}}

    assert PortWorker.score(server, 1, {:uuid, @raw}, form: :columns) ==
             {:ok, {:score, %{user: 1, items: {:uuid, @raw}, form: :columns}}}

    assert PortWorker.explain(server, 1, 2) == {:ok, {:explain, %{user: 1, item: 2}}}
    assert PortWorker.explain(server, 1, 2, n: 9) == {:ok, {:explain, %{user: 1, item: 2, n: 9}}}
  end

  test "feedback is of one or of many", %{server: server} do
    one = %{user: 1, item: 2, weight: -0.5, time: 1_760_000_000}
    assert PortWorker.feedback(server, one) == {:ok, {:feedback, one}}
    assert PortWorker.feedback(server, user: 1, item: 2) == {:ok, {:feedback, %{user: 1, item: 2}}}

    many = %{users: Columns.from_ids([1, 2]), items: [@uuid, "m"], weights: Columns.from_floats([1, 0.5])}
    assert PortWorker.feedback(server, many, timeout: 1_000) == {:ok, {:feedback, many}}

    assert {:error, %Error{code: :invalid_argument, message: message}} =
             PortWorker.feedback(server, %{user: 1, item: :atom})

    assert message =~ "argument :item"
  end

  test "items are hidden and shown", %{server: server} do
    assert PortWorker.hide_items(server, [1]) == {:ok, {:hide_items, %{items: [1]}}}
    assert PortWorker.show_items(server, {:uuid, @raw}) == {:ok, {:show_items, %{items: {:uuid, @raw}}}}
  end

  test "retrain takes two algorithms, and hyper-parameters of both by atoms", %{server: server} do
    options = [
      retriever: "TwoTower",
      ranker: "DIN",
      candidates: 200,
      params: [lr: 0.1],
      retriever_params: %{n_epochs: 2}
    ]

    args = options |> Map.new() |> Map.merge(%{params: %{"lr" => 0.1}, retriever_params: %{"n_epochs" => 2}})

    assert PortWorker.retrain(server, options) == {:ok, {:retrain, args}}
  end

  test "a version is activated by its name, and rolled back without one", %{server: server} do
    assert PortWorker.activate(server, "v1") == {:ok, {:activate, %{version: "v1"}}}
    assert PortWorker.rollback(server, timeout: 1_000) == {:ok, {:rollback, %{}}}
    assert {:error, %Error{code: :invalid_argument}} = PortWorker.activate(server, :v1)
  end

  test "recommend_many is read user by user, and has a minute", %{server: server} do
    users = Columns.from_ids([1, 2])
    assert {:ok, found} = PortWorker.recommend_many(server, users, n: 2, kinds: ["map"])
    assert {%{users: ^users, n: 2, kinds: ["map"]}, deadline} = found.message
    assert deadline in 5_001..60_000

    assert Enum.to_list(Columns.users(found)) == [
             %{items: [{-1, 0.5}, {7, 0.25}], source: :fold_in},
             %{items: [{7, 3.0}], source: :popular}
           ]
  end

  test "an option that an op has not is refused before it is sent", %{server: server} do
    for {call, name} <- [
          {&PortWorker.recommend(server, 1, &1), :metric},
          {&PortWorker.recommend_many(server, [1], &1), :form},
          {&PortWorker.similar(server, 1, &1), :diversity},
          {&PortWorker.score(server, 1, [1], &1), :n},
          {&PortWorker.explain(server, 1, 1, &1), :form},
          {&PortWorker.feedback(server, %{user: 1, item: 1}, &1), :weight},
          {&PortWorker.hide_items(server, [1], &1), :n},
          {&PortWorker.show_items(server, [1], &1), :n},
          {&PortWorker.retrain(server, &1), :n},
          {&PortWorker.activate(server, "v1", &1), :n},
          {&PortWorker.rollback(server, &1), :n}
        ] do
      assert_raise ArgumentError, ~r/^unknown option #{inspect(name)} of /, fn -> call.([{name, 1}]) end
    end
  end

  describe "columns" do
    test "hold ids of one kind, and what they do not hold stays a list" do
      for ids <- [[], [0, 1, -1, 2 ** 63 - 1, -(2 ** 63)], [@uuid, @uuid]] do
        assert {_kind, binary} = column = Columns.from_ids(ids)
        assert is_binary(binary)
        assert Columns.to_list(column) == ids
      end

      for ids <- [["ada"], [1, "1"], [@uuid, 1], [String.upcase(@uuid)], [String.replace(@uuid, "-", "_")]] do
        assert Columns.from_ids(ids) == ids
        assert Columns.to_list(Columns.from_ids(ids)) == ids
      end
    end

    test "of small integers and of floats that are none" do
      assert Columns.to_list({:int32, <<1::little-32, -1::signed-little-32>>}) == [1, -1]
      assert Columns.to_list({:uint8, <<0, 255>>}) == [0, 255]
      not_a_number = <<0, 0, 192, 127>>
      infinite = <<0, 0, 128, 127>>

      assert Columns.to_list({:float32, not_a_number <> <<1.5::float-little-32>> <> infinite}) == [
               nil,
               1.5,
               nil
             ]
    end

    test "of many users are read lazily" do
      n = 3
      users = 1_000

      found = %{
        ids: ["only"],
        items: {:int32, :binary.copy(<<0::32, -1::32, -1::32>>, users)},
        scores: {:float32, :binary.copy(<<0, 0, 0, 63, 0::64>>, users)},
        sources: {:uint8, :binary.copy(<<0>>, users)},
        source_names: [:model],
        n: n,
        model: "v1"
      }

      assert found |> Columns.users() |> Enum.count() == users
      assert found |> Columns.users() |> Enum.take(1) == [%{items: [{"only", 0.5}], source: :model}]
      assert Enum.to_list(Columns.users(%{found | items: {:int32, ""}, sources: {:uint8, ""}})) == []
    end
  end
end
