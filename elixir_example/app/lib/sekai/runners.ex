defmodule Sekai.Runners do
  @moduledoc """
  The machines that workers run on: a `FLAME.Pool`, and what is measured of it.

  A runner is another instance of this application, which FLAME boots when a worker is to be placed and ends when none is on
  it any more. Which machines these are is `config :flame, :backend`: see the guide "FLAME". `Sekai.Recommender` places one
  worker on each.

  `config :sekai, Sekai.Runners`:

    * `:min`, `:max` - how many workers there are at least (1) and at most (3)
    * `:boot_timeout` - milliseconds that the boot of a runner may take (60,000)
    * `:idle_shutdown_after` - milliseconds after which a runner without a worker ends (10,000)
    * `:price_per_hour` - what a runner costs (0.0), for the figures of `Sekai.Runners.Telemetry`
    * `:report_every` - milliseconds between two of these (10,000)
    * `:fleet` - when there should be more workers, or fewer: `:capacity`, `:grow_at`, `:grow_after` and
      `:idle_shutdown_after`, as of `PortWorker.Fleet.start_link/1` (`[]`)
    * `:backend` - as of `FLAME.Pool`, in place of the configured one

  The processes:

      Sekai.Runners
      |- LoopbackBackend.Machine.Supervisor, if that is the backend
      |- FLAME.Pool (Sekai.Runners.Pool)
      |- Meter: counts runners, calls and money
      `- telemetry_poller: has it report
  """

  use Supervisor

  alias Sekai.Runners.{LoopbackBackend, Meter}

  @defaults [
    min: 1,
    max: 3,
    boot_timeout: 60_000,
    idle_shutdown_after: 10_000,
    price_per_hour: 0.0,
    report_every: 10_000,
    fleet: [],
    backend: nil
  ]

  @pool Sekai.Runners.Pool
  # What a worker has in flight at most, if nothing else is said.
  @max_in_flight 64

  @doc "The name of the `FLAME.Pool`."
  @spec pool() :: atom()
  def pool, do: @pool

  @doc "Whether this node is a runner, where nothing runs but what is placed there."
  @spec runner?() :: boolean()
  def runner?, do: FLAME.Parent.get() != nil

  @doc "The options as configured, or those given in their place."
  @spec options(keyword()) :: keyword()
  def options(given \\ []) do
    configured = Keyword.merge(@defaults, Application.get_env(:sekai, __MODULE__, []))
    configured |> Keyword.merge(given) |> Keyword.validate!(@defaults)
  end

  @doc "Options of `PortWorker.Fleet.start_link/1` that place its workers here."
  @spec fleet(keyword()) :: keyword()
  def fleet(options) do
    [
      placement: {PortWorker.Lease.Flame, pool: @pool},
      place_timeout: options[:boot_timeout],
      min: options[:min],
      max: options[:max]
    ] ++ options[:fleet]
  end

  @doc "Starts the pool; options in place of those configured."
  @spec start_link(keyword()) :: Supervisor.on_start()
  def start_link(given \\ []), do: Supervisor.start_link(__MODULE__, options(given), name: __MODULE__)

  @impl Supervisor
  def init(options) do
    children = machines(options) ++ [{FLAME.Pool, pool_options(options)}] ++ meter(options)
    Supervisor.init(children, strategy: :one_for_one)
  end

  defp machines(options) do
    if backend(options) == LoopbackBackend do
      LoopbackBackend.Distribution.start!()
      [LoopbackBackend.Machine.Supervisor]
    else
      []
    end
  end

  defp backend(options) do
    case options[:backend] || FLAME.Backend.impl() do
      {backend, _options} -> backend
      backend -> backend
    end
  end

  defp meter(options) do
    meter = [
      fleet: Sekai.Recommender,
      pool: @pool,
      price_per_hour: options[:price_per_hour],
      capacity: Keyword.get(options[:fleet], :capacity, @max_in_flight)
    ]

    [{Meter, meter}, {:telemetry_poller, measurements: [{Meter, :report, []}], period: options[:report_every]}]
  end

  # `min: 0`, since more would be booted within this start, and held up by it. One more than there are workers, since a
  # runner that has just died counts for a while.
  defp pool_options(options) do
    [
      name: @pool,
      min: 0,
      max: options[:max] + 1,
      max_concurrency: 1,
      boot_timeout: options[:boot_timeout],
      idle_shutdown_after: options[:idle_shutdown_after],
      on_grow_start: &Meter.boot_begins/1,
      on_grow_end: &Meter.boot_ends/2
    ] ++ if(options[:backend], do: [backend: options[:backend]], else: [])
  end
end
