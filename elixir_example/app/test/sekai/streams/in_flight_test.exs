defmodule Sekai.Streams.InFlightTest do
  use ExUnit.Case, async: true

  alias Sekai.Streams.InFlight

  doctest InFlight
  doctest Sekai.Streams.Event

  # Calls that begin in order, end in any, and are taken out now and then.
  defp run(order, endings, taken_at_a_time) do
    begun = Enum.reduce(Enum.sort(endings), InFlight.new(order), &InFlight.begin(&2, &1, {:call, &1}))

    {left, out} =
      Enum.reduce(endings, {begun, []}, fn key, {in_flight, out} ->
        assert InFlight.fetch(in_flight, key) == {:ok, {:call, key}}
        outcome = if rem(key, 5) == 0, do: :drop, else: {:keep, key}
        {taken, in_flight} = in_flight |> InFlight.done(key, outcome) |> InFlight.take(taken_at_a_time)
        assert length(taken) <= taken_at_a_time
        {in_flight, out ++ taken}
      end)

    {rest, left} = InFlight.take(left, length(endings))
    assert InFlight.size(left) == 0
    out ++ rest
  end

  test "what is preserved leaves in the order of its beginning, whatever the order of its end" do
    kept = for n <- 1..40, rem(n, 5) != 0, do: n
    for _ <- 1..50, most <- [0, 1, 3, 40], do: assert(run(:preserve, Enum.shuffle(1..40), most) == kept)
  end

  test "what leaves as it is done leaves in the order of its end" do
    for _ <- 1..50, most <- [0, 1, 3, 40] do
      endings = Enum.shuffle(1..40)
      assert run(:as_done, endings, most) == Enum.reject(endings, &(rem(&1, 5) == 0))
    end
  end

  test "those that wait for one before them count" do
    in_flight = Enum.reduce(1..3, InFlight.new(:preserve), &InFlight.begin(&2, &1, :call))
    {[], in_flight} = in_flight |> InFlight.done(2, {:keep, 2}) |> InFlight.done(3, :drop) |> InFlight.take(3)
    assert InFlight.size(in_flight) == 3
    {[1], in_flight} = in_flight |> InFlight.done(1, {:keep, 1}) |> InFlight.take(1)
    assert InFlight.size(in_flight) == 2
    # What is dropped leaves even where nothing is wanted, once it is its turn.
    {[2], in_flight} = InFlight.take(in_flight, 1)
    assert InFlight.size(in_flight) == 0
  end

  test "a call that is over is not known any more" do
    in_flight = :as_done |> InFlight.new() |> InFlight.begin(:a, :call) |> InFlight.done(:a, :drop)
    assert InFlight.fetch(in_flight, :a) == :error
  end
end
