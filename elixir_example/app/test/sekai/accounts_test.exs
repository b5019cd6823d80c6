defmodule Sekai.AccountsTest do
  use Sekai.DataCase, async: true

  alias Sekai.Accounts

  describe "users" do
    test "are found by their id and their name" do
      user = user(%{username: "ada"})
      assert Accounts.get_user(user.id).username == "ada"
      assert Accounts.get_user(String.upcase(user.id)).username == "ada"
      assert Accounts.get_user_by_username("ada").id == user.id
    end

    test "who are not there are nil, as is what is no id" do
      assert Accounts.get_user(Ecto.UUID.generate()) == nil
      assert Accounts.get_user("ada") == nil
      assert Accounts.get_user("sixteen letters!") == nil
      assert Accounts.get_user_by_username("ada") == nil
    end

    test "need a name that nobody else has" do
      user(%{username: "ada"})
      assert {:error, changeset} = Accounts.create_user(%{username: "ada", display_name: "Ada"})
      assert [username: {"has already been taken", _details}] = changeset.errors
      assert {:error, %{errors: errors}} = Accounts.create_user(%{})
      assert Keyword.keys(errors) == [:username, :display_name]
    end
  end

  describe "a search" do
    setup do
      for {username, name} <- [{"ada", "Countess"}, {"adam", "Adam"}, {"percy", "100% me"}, {"u_score", "U"}],
          do: user(%{username: username, display_name: name})

      :ok
    end

    defp names(text, limit \\ 10), do: text |> Accounts.search_users(limit) |> Enum.map(& &1.username)

    test "finds what either name has in it, in the order of those that are shown" do
      assert names("ADA") == ["adam", "ada"]
      assert names("count") == ["ada"]
      assert names("ada", 1) == ["adam"]
    end

    test "takes patterns for what they are" do
      assert names("%") == ["percy"]
      assert names("_") == ["u_score"]
      assert names("\\") == []
    end

    test "finds nothing by a text that no name can have" do
      assert names("ada\0") == []
    end
  end

  describe "administrators" do
    test "are who was made one" do
      user = user()
      refute Accounts.admin?(user)
      refute Accounts.admin?(nil)
      assert {:ok, _ruleset} = Accounts.make_admin(user)
      assert {:ok, _ruleset} = Accounts.make_admin(user)
      assert Accounts.admin?(user)
    end

    test "are no longer who lost the right" do
      admin = admin()
      Repo.update_all(Accounts.UserPrivilegeRuleset, set: [is_admin: false])
      refute Accounts.admin?(admin)
    end
  end

  describe "a token" do
    test "is its user's" do
      user = user()
      assert {:ok, %{id: id}} = user |> Accounts.token() |> Accounts.authenticate()
      assert id == user.id
    end

    test "is known to the endpoint's own secret only" do
      forged = Phoenix.Token.sign(String.duplicate("another secret ", 5), "sekai access token", user().id)
      assert Accounts.authenticate(forged) == {:error, :invalid}
      assert Accounts.authenticate("") == {:error, :invalid}
      assert Accounts.authenticate("a.b.c") == {:error, :invalid}
    end

    test "of another kind is none" do
      other = Phoenix.Token.sign(SekaiWeb.Endpoint, "password reset", user().id)
      assert Accounts.authenticate(other) == {:error, :invalid}
    end

    test "holds for a week" do
      user = user()
      signed = fn days -> Accounts.token(user, signed_at: System.system_time(:second) - days * 86_400) end
      assert {:ok, _user} = Accounts.authenticate(signed.(6))
      assert Accounts.authenticate(signed.(8)) == {:error, :expired}
    end

    test "ends with its user" do
      user = user()
      token = Accounts.token(user)
      Repo.delete!(user)
      assert Accounts.authenticate(token) == {:error, :unknown_user}
    end
  end
end
