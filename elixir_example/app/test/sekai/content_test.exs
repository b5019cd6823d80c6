defmodule Sekai.ContentTest do
  use Sekai.DataCase, async: true

  alias Sekai.Content
  alias Sekai.Content.Item

  test "avatars, maps and props are items of their kind" do
    for kind <- Item.kinds(), do: assert(%Item{kind: ^kind, is_public: true} = item(%{kind: kind}))
  end

  test "what is added needs a name and somebody who uploaded it" do
    assert {:error, changeset} = Content.create("map", %{})
    assert Keyword.keys(changeset.errors) == [:name, :uploader_id]
    assert {:error, changeset} = Content.create("map", %{name: "castle", uploader_id: Ecto.UUID.generate()})
    assert [uploader_id: {"does not exist", _details}] = changeset.errors
    assert {:error, changeset} = Content.create("map", %{name: "castle", uploader_id: "ada"})
    assert [uploader_id: {"is invalid", _details}] = changeset.errors
  end

  test "what is added is private, if not said otherwise" do
    assert {:ok, map} = Content.create("map", %{name: "castle", uploader_id: user().id})
    assert Content.get_public_item(map.id) == nil
  end

  describe "public items" do
    test "come in the order that is asked for" do
      [one, two, three] = [item(%{kind: "prop"}), item(%{kind: "avatar"}), item()]
      assert [two, three, one] == Content.public_items([two.id, three.id, one.id])
    end

    test "are without those that are private, unknown, or no ids at all" do
      {public, private} = {item(), item(%{is_public: false})}
      ids = [private.id, Ecto.UUID.generate(), "castle", "sixteen letters!", 7, public.id]
      assert [public] == Content.public_items(ids)
      assert Content.public_items([]) == []
    end
  end

  test "an item is had by its id while it is public" do
    item = item()
    assert Content.get_public_item(item.id) == item
    assert Content.get_public_item(String.upcase(item.id)) == item
    assert :ok = Content.set_public(item, false)
    assert Content.get_public_item(item.id) == nil
    assert Content.get_public_item("castle") == nil
    assert :ok = Content.set_public(item, true)
    assert Content.get_public_item(item.id) == item
  end

  test "of what is not there nothing is made private" do
    gone = %Item{id: Ecto.UUID.generate(), kind: "map"}
    assert Content.set_public(gone, false) == {:error, :not_found}
    # Nor is an item of another kind.
    item = item(%{kind: "prop"})
    assert Content.set_public(%{item | kind: "map"}, false) == {:error, :not_found}
  end
end
