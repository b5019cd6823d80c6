defmodule Sekai.Monitor.Workers do
  @moduledoc "What is known of each worker without asking it, wherever `Sekai.Recommender` has placed them."

  alias PortWorker.{Error, Fleet}
  alias Sekai.Recommender

  @typedoc "`where` is the node of a worker that a runner has."
  @type worker :: %{
          name: String.t(),
          where: node() | nil,
          state: :ready | :booting | :delayed | :draining | :placing | :down,
          in_flight: non_neg_integer()
        }

  @doc "The workers that there are, or should be."
  @spec look(:flame | :local | :none) :: [worker()]
  def look(:none), do: []
  def look(:local), do: [local(PortWorker.info(Recommender))]

  def look(:flame) do
    for {lease, number} <- Enum.with_index(Fleet.leases(Recommender), 1) do
      %{name: "worker #{number}", where: lease.node, state: lease.state, in_flight: lease.in_flight}
    end
  rescue
    # The fleet starts again.
    ArgumentError -> []
  end

  defp local({:ok, info}), do: worker(info.phase, info.in_flight)
  defp local({:error, %Error{}}), do: worker(:down, 0)

  defp worker(state, in_flight), do: %{name: "worker 1", where: nil, state: state, in_flight: in_flight}
end
