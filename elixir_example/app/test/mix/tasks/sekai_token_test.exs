defmodule Mix.Tasks.Sekai.TokenTest do
  use Sekai.DataCase

  alias Mix.Tasks.Sekai.Token
  alias Sekai.Accounts

  setup do
    shell = Mix.shell()
    Mix.shell(Mix.Shell.Process)
    on_exit(fn -> Mix.shell(shell) end)
  end

  test "prints a token of a user" do
    user = user(%{username: "ada"})
    Token.run(["ada"])
    assert_received {:mix_shell, :info, [token]}
    assert {:ok, %{id: id}} = Accounts.authenticate(token)
    assert id == user.id
    refute Accounts.admin?(user)
  end

  test "has the user administer if told so" do
    user = user(%{username: "ada"})
    Token.run(["ada", "--admin"])
    assert_received {:mix_shell, :info, [_token]}
    assert Accounts.admin?(user)
  end

  test "makes a user if told so, where there is none" do
    Token.run(["eve", "--create"])
    assert_received {:mix_shell, :info, [first]}
    Token.run(["eve", "--create"])
    assert_received {:mix_shell, :info, [second]}
    assert {:ok, %{id: id, username: "eve"}} = Accounts.authenticate(first)
    assert {:ok, %{id: ^id}} = Accounts.authenticate(second)
  end

  test "says what is wrong" do
    assert_raise Mix.Error, ~r/there is no user ada/, fn -> Token.run(["ada"]) end

    for arguments <- [[], ["ada", "eve"], ["ada", "--root"]],
        do: assert_raise(Mix.Error, ~r/expected: mix sekai.token/, fn -> Token.run(arguments) end)
  end
end
