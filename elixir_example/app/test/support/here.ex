defmodule Sekai.Here do
  @moduledoc "What a BEAM says of itself."

  @spec about() :: map()
  def about do
    %{
      node: node(),
      os_pid: String.to_integer(System.pid()),
      cwd: File.cwd!(),
      parent?: FLAME.Parent.get() != nil,
      nodes: Node.list(:visible),
      listens?: Enum.any?(Port.list(), &listens?/1),
      started: for({app, _about, _version} <- Application.started_applications(), do: app),
      children: Supervisor.which_children(Sekai.Supervisor),
      environment: Application.get_all_env(:sekai),
      consolidated?: Protocol.consolidated?(Enumerable),
      variable: System.get_env("SEKAI_TEST_VARIABLE")
    }
  end

  defp listens?(port) do
    Port.info(port, :name) == {:name, ~c"tcp_inet"} and match?({:ok, _}, :inet.sockname(port)) and
      :inet.peername(port) == {:error, :enotconn}
  end
end
