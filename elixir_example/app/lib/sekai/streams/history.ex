defmodule Sekai.Streams.History do
  @moduledoc """
  The interactions that are in the database, as events, oldest first.

  They are read in pages, along their time and id, each page when it is wanted: no query is open between two pages, and
  one that is read again has the same. An interaction that was written later than others of a later time is not seen
  by who has passed that time; leave the last seconds to the next run (`:until`).
  """

  import Ecto.Query

  alias Sekai.Interactions.Interaction
  alias Sekai.{Repo, Streams}
  alias Sekai.Streams.{Event, Options}

  @page 500

  @doc """
  A stream of `Sekai.Streams.Event`.

    * `:after` - a place, as of `Sekai.Streams.Event.place/1`: it begins with what is next
    * `:since`, `:until` - only what is at or after, and before this time
    * `:limit` - at most so many interactions are read
    * `:page` - how many are read at a time (#{@page})
    * `:newest_only` - of what one user did within a page, only the newest goes on (`false`): a user who did a hundred
      things is one call then, not a hundred
  """
  @spec stream(keyword()) :: Enumerable.t(Event.t())
  def stream(options \\ []) do
    options =
      Keyword.validate!(options, [:after, :since, :until, :limit, page: @page, newest_only: false])

    Options.check!(:page, options[:page], :positive)
    Options.check!(:limit, options[:limit] || :infinity, :positive_or_infinity)

    {options[:after], options[:limit] || :infinity}
    |> Stream.unfold(&next(&1, options))
    |> Stream.flat_map(& &1)
  end

  defp next({_place, 0}, _options), do: nil

  defp next({place, left}, options) do
    case read(place, min(left, options[:page]), options) do
      {[], []} -> nil
      {page, kept} -> {kept, {page |> List.last() |> Event.place(), less(left, length(page))}}
    end
  end

  defp less(:infinity, _count), do: :infinity
  defp less(left, count), do: left - count

  defp read(place, size, options) do
    start = System.monotonic_time()
    page = place |> query(size, options) |> Repo.all() |> Enum.map(&Event.from_interaction/1)
    kept = if options[:newest_only], do: newest(page), else: page
    Streams.execute(:page, %{duration: Streams.since(start), read: length(page), kept: length(kept)}, %{})
    {page, kept}
  end

  # Times are of microseconds, so those of one time are few, and the index on time is enough for both.
  defp query(place, size, options) do
    from(i in Interaction, order_by: [i.time, i.id], limit: ^size)
    |> beyond(place)
    |> since(options[:since])
    |> until(options[:until])
  end

  defp beyond(query, nil), do: query

  defp beyond(query, {time, id}),
    do: where(query, [i], i.time >= ^time and (i.time > ^time or i.id > ^id))

  defp since(query, nil), do: query
  defp since(query, since), do: where(query, [i], i.time >= ^usec(since))

  defp until(query, nil), do: query
  defp until(query, until), do: where(query, [i], i.time < ^usec(until))

  # A time that came as text may say seconds only.
  defp usec(time), do: DateTime.add(time, 0, :microsecond)

  # Each user's last one stays where it is, so the order stays, too.
  defp newest(page), do: page |> Enum.reverse() |> Enum.uniq_by(& &1.user_id) |> Enum.reverse()
end
