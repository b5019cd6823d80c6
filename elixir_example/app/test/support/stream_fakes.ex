defmodule Sekai.StreamFakes do
  @moduledoc "Events, and calls whose answers a test gives, for the elements of `Sekai.Streams`."

  import ExUnit.Assertions

  alias Sekai.Streams.Event

  @doc "Events of users `1` to `count`, whose reading `pulled` counts."
  @spec events(pos_integer(), :counters.counters_ref()) :: Enumerable.t(Event.t())
  def events(count, pulled \\ :counters.new(1, [])) do
    Stream.map(1..count, fn n ->
      :counters.add(pulled, 1, 1)
      %Event{user_id: "#{n}"}
    end)
  end

  @doc "What a worker answers."
  @spec answer([{String.t(), float()}]) :: {:ok, map()}
  def answer(items \\ [{"item", 1.0}]), do: {:ok, %{items: items, source: :model, model: "v1"}}

  @doc "A call that tells the test `{:call, user_id, pid}`, and answers what that sends it with `reply/2`."
  @spec asking(pid()) :: (Event.t(), non_neg_integer() -> term())
  def asking(test \\ self()) do
    fn event, _timeout ->
      send(test, {:call, event.user_id, self()})
      receive do: ({:reply, reply} -> reply)
    end
  end

  @doc "Waits for the call of this user, and answers it."
  @spec reply(String.t(), term()) :: :ok
  def reply(user, reply \\ answer()) do
    assert_receive {:call, ^user, pid}, 2_000
    send(pid, {:reply, reply})
    :ok
  end

  @doc "A call that takes up to `longest` ms, and writes down how many are under way at most."
  @spec busy(:atomics.atomics_ref(), pos_integer()) :: (Event.t(), non_neg_integer() -> term())
  def busy(gauge, longest) do
    fn _event, _timeout ->
      under_way = :atomics.add_get(gauge, 1, 1)
      raise_to(gauge, under_way)
      Process.sleep(:rand.uniform(longest))
      :atomics.sub(gauge, 1, 1)
      answer()
    end
  end

  defp raise_to(gauge, under_way) do
    most = :atomics.get(gauge, 2)

    if under_way > most and :atomics.compare_exchange(gauge, 2, most, under_way) != :ok,
      do: raise_to(gauge, under_way)
  end

  @doc "The numbers for `busy/2`: how many are under way, and how many were at most."
  @spec gauge() :: :atomics.atomics_ref()
  def gauge, do: :atomics.new(2, signed: true)

  @spec most(:atomics.atomics_ref()) :: integer()
  def most(gauge), do: :atomics.get(gauge, 2)

  @doc "Has the test be sent `{:telemetry, event, measurements, metadata}` of these events of `Sekai.Streams`."
  @spec attach([atom()]) :: :ok
  def attach(names) do
    test = self()
    id = make_ref()
    events = for name <- names, do: [:sekai, :stream, name]
    :telemetry.attach_many(id, events, &__MODULE__.forward/4, test)
    ExUnit.Callbacks.on_exit(fn -> :telemetry.detach(id) end)
  end

  @doc false
  @spec forward([atom()], map(), map(), pid()) :: term()
  def forward([:sekai, :stream, name], measurements, metadata, test),
    do: send(test, {:telemetry, name, measurements, metadata})
end
