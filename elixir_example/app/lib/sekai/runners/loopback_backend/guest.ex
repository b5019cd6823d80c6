defmodule Sekai.Runners.LoopbackBackend.Guest do
  @moduledoc """
  What runs in a runner's BEAM before anything else, and as long as it does.

  It reads from the pipe what the parent is (`invitation/1`), makes this BEAM a node of it, and has FLAME report there. Then
  it waits: a word from the parent, or the end of the pipe, ends this BEAM.

  Elixir is not on the code path before the parent's is known: until then there is Erlang only.
  """

  # Longer than a worker may take to stop, shorter than the parent waits.
  @stop_ms 8_000

  @doc "Where this module is, for the command line."
  @spec path() :: Path.t()
  def path, do: __MODULE__ |> :code.which() |> Path.dirname()

  @doc "What a runner is told: its name, and what it is to have of this BEAM."
  @spec invitation(String.t()) :: binary()
  def invitation(name) do
    :erlang.term_to_binary(%{
      node: :"#{name}@#{host()}",
      domain: if(:net_kernel.longnames() == true, do: :longnames, else: :shortnames),
      cookie: Node.get_cookie(),
      paths: :code.get_path(),
      environments: environments()
    })
  end

  defp host, do: node() |> to_string() |> String.split("@") |> List.last()

  # Those two are said by the command line, and run already.
  defp environments do
    for {app, _description, _version} <- Application.loaded_applications(), app not in [:kernel, :stdlib] do
      {app, Application.get_all_env(app)}
    end
  end

  @doc "Named by the command line (`-s`); has to return."
  @spec start() :: pid()
  def start, do: :erlang.spawn(&live/0)

  defp live do
    pipe = :erlang.open_port({:fd, 3, 4}, [:binary, :eof, {:packet, 4}])

    receive do
      {^pipe, {:data, invitation}} -> join(:erlang.binary_to_term(invitation))
      {^pipe, :eof} -> :erlang.halt(1)
    end

    receive do
      {^pipe, _stop_or_eof} -> stop()
    end
  end

  defp join(invitation) do
    true = :code.set_path(invitation.paths)
    :ok = :application.set_env(invitation.environments, [{:persistent, true}])
    options = %{name_domain: invitation.domain, hidden: true, dist_listen: false}
    {:ok, _pid} = :net_kernel.start(invitation.node, options)
    true = :erlang.set_cookie(invitation.cookie)
    # Its terminator connects to the parent, which then starts the rest.
    {:ok, _started} = :application.ensure_all_started(:flame)
  catch
    kind, reason ->
      :io.format(:standard_error, ~c"runner: ~tp: ~tp~n~tp~n", [kind, reason, __STACKTRACE__])
      :erlang.halt(1)
  end

  # In order, as long as that does not take too long.
  defp stop do
    :init.stop()

    receive do
    after
      @stop_ms -> :erlang.halt(1, [{:flush, false}])
    end
  end
end
