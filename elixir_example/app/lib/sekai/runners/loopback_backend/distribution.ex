defmodule Sekai.Runners.LoopbackBackend.Distribution do
  @moduledoc """
  Makes this BEAM a distributed node, if it is none: on the loopback interface alone, with a cookie that nobody knows.

  `mix phx.server` and `mix test` start a BEAM that is none, and runners have to connect to something.
  """

  @loopback {127, 0, 0, 1}

  @doc "Raises where that is not possible, with what can be done."
  @spec start!() :: :ok
  def start! do
    if Node.alive?(), do: :ok, else: start_node!()
  end

  defp start_node! do
    start_epmd()
    # What has been said on the command line is kept.
    if Application.get_env(:kernel, :inet_dist_use_interface) == nil,
      do: Application.put_env(:kernel, :inet_dist_use_interface, @loopback)

    case Node.start(:"sekai_#{System.pid()}@127.0.0.1", :longnames) do
      {:ok, _pid} -> Node.set_cookie(cookie())
      {:error, reason} -> raise message(reason)
    end

    :ok
  end

  defp cookie, do: 32 |> :crypto.strong_rand_bytes() |> Base.url_encode64() |> String.to_atom()

  # Where one runs already this does nothing. The daemon is part of Erlang, though not always on the path.
  defp start_epmd do
    erts = Path.join([:code.root_dir(), "erts-#{:erlang.system_info(:version)}", "bin", "epmd"])

    with epmd when epmd != nil <- System.find_executable("epmd") || System.find_executable(erts),
         do: System.cmd(epmd, ["-daemon", "-address", "127.0.0.1"], stderr_to_stdout: true)
  end

  defp message(reason) do
    """
    this node can't be a distributed one, which runners on this machine need: #{inspect(reason)}

    Is `epmd` of Erlang/OTP installed, and may it listen on port 4369 of 127.0.0.1? Or start the node as one:

        elixir --name sekai@127.0.0.1 --erl "-kernel inet_dist_use_interface {127,0,0,1}" -S mix phx.server

    Or do without runners: FLAME_BACKEND=local.
    """
  end
end
