defmodule Sekai.Jobs.RetrainWorkerTest do
  use Sekai.WorkerCase
  use Oban.Testing, repo: Sekai.Jobs.repo()

  alias Sekai.Jobs.{BatchRecommendWorker, RetrainWorker}
  alias Sekai.{Models, Recommender}

  @quick %{"algorithm" => "ALS", "params" => %{"embed_size" => 8, "n_epochs" => 3}, "activate" => "force"}
  # Half an hour of it.
  @long %{"algorithm" => "ALS", "params" => %{"embed_size" => 256, "n_epochs" => 10_000}}

  setup do
    Models.subscribe()
    :ok
  end

  test "trains a model, tells how far it is, has it serve, and asks for everybody's list" do
    start_oban(queues: [retrain: 1])
    {:ok, %{id: id}} = RetrainWorker.request(@quick)

    runs = until(id, :succeeded)
    IO.inspect(Enum.map(runs, &{&1.state, &1.phase, &1.share}))
    run = List.last(runs)
    IO.inspect({run, Models.list_versions()})
  end

  defp until(id, state) do
    receive do
      {:retrain_run, %{id: ^id, state: ^state} = run} -> [run]
      {:retrain_run, %{id: ^id} = run} -> [run | until(id, state)]
    after
      15_000 ->
        IO.inspect(
          {Oban.all_jobs(Oban.Job), Models.list_runs(), Oban.check_all_queues(),
           Process.info(self(), :messages)}
        )

        flunk("x")
    end
  end
end
