defmodule PortWorker.Options do
  @moduledoc false
  # The options of `PortWorker.start_link/1`, checked when a worker starts: a mistake is the programmer's, so it raises.

  @defaults [
    command: nil,
    args: [],
    env: [],
    cd: nil,
    stderr: :inherit,
    name: nil,
    max_in_flight: 64,
    max_queue: 1_000,
    boot_timeout: 30_000,
    hang_after: 30_000,
    drain_timeout: 1_000,
    kill_after: 2_000,
    backoff_min: 1_000,
    backoff_max: 30_000
  ]

  @stderr [:inherit, :emergency, :alert, :critical, :error, :warning, :notice, :info, :debug]

  # Those that may be 0.
  @times [:drain_timeout, :kill_after, :backoff_min, :backoff_max]

  @enforce_keys Keyword.keys(@defaults)
  # `PortWorker.child_spec/1` adds the back-off.
  defstruct @defaults ++ [backoff: nil]

  @type t :: %__MODULE__{
          command: Path.t(),
          args: [String.t()],
          env: [{String.t(), String.t() | nil}],
          cd: Path.t() | nil,
          stderr: :inherit | Logger.level(),
          name: GenServer.name() | nil,
          max_in_flight: pos_integer(),
          max_queue: non_neg_integer(),
          boot_timeout: pos_integer(),
          hang_after: pos_integer() | :infinity,
          drain_timeout: non_neg_integer(),
          kill_after: non_neg_integer(),
          backoff_min: non_neg_integer(),
          backoff_max: non_neg_integer(),
          backoff: PortWorker.Backoff.t() | nil
        }

  @spec validate!(keyword()) :: t()
  def validate!(options) do
    if not Keyword.keyword?(options),
      do: fail!("expected options to be a keyword list, got: #{inspect(options)}")

    options = @defaults |> Keyword.merge(known!(options)) |> Keyword.update!(:command, &default_command/1)
    Enum.each(options, &check!/1)

    __MODULE__
    |> struct!(options)
    |> Map.update!(:command, &System.find_executable/1)
    |> Map.update!(:env, &Enum.to_list/1)
  end

  defp known!(options) do
    case Keyword.keys(options) -- Keyword.keys(@defaults) do
      [] -> options
      [key | _] -> fail!("unknown option #{inspect(key)}, expected one of: #{names()}")
    end
  end

  defp names, do: Enum.map_join(@defaults, ", ", fn {key, _default} -> inspect(key) end)

  defp default_command(nil), do: System.get_env("PORT_WORKER_BIN")
  defp default_command(command), do: command

  defp check!({key, value}) do
    if not valid?(key, value),
      do: fail!("expected #{inspect(key)} to be #{expected(key)}, got: #{inspect(value)}")
  end

  defp valid?(:command, value), do: is_binary(value) and value != "" and System.find_executable(value) != nil
  defp valid?(:args, value), do: is_list(value) and Enum.all?(value, &argument?/1)
  defp valid?(:env, value), do: (is_list(value) or is_map(value)) and Enum.all?(value, &variable?/1)
  defp valid?(:cd, value), do: is_nil(value) or (is_binary(value) and File.dir?(value))
  defp valid?(:stderr, value), do: value in @stderr
  defp valid?(:name, nil), do: true
  defp valid?(:name, {:global, _name}), do: true
  defp valid?(:name, {:via, module, _name}), do: is_atom(module)
  defp valid?(:name, value), do: is_atom(value)
  defp valid?(:hang_after, :infinity), do: true
  defp valid?(key, value) when key in @times or key == :max_queue, do: is_integer(value) and value >= 0
  defp valid?(_count, value), do: is_integer(value) and value > 0

  # What the operating system ends at a NUL, it would cut silently.
  defp argument?(value), do: is_binary(value) and not String.contains?(value, <<0>>)

  defp variable?({name, value}), do: name?(name) and (is_nil(value) or text?(value))
  defp variable?(_other), do: false

  defp name?(name), do: text?(name) and name != "" and not String.contains?(name, "=")
  defp text?(value), do: argument?(value) and String.valid?(value)

  defp expected(:command), do: "the path of an executable (or PORT_WORKER_BIN to hold one)"
  defp expected(:args), do: "a list of strings without NUL"
  defp expected(:env), do: "a map or list of names to strings, in UTF-8 without NUL, or to nil to unset one"
  defp expected(:cd), do: "a folder that exists"
  defp expected(:stderr), do: ":inherit or a level of Logger"
  defp expected(:name), do: "an atom, {:global, term} or {:via, module, term}"
  defp expected(:hang_after), do: "a positive integer (milliseconds) or :infinity"
  defp expected(:max_queue), do: "a non-negative integer"
  defp expected(key) when key in @times, do: "a non-negative integer (milliseconds)"
  defp expected(_count), do: "a positive integer"

  @spec fail!(String.t()) :: no_return()
  defp fail!(message), do: raise(ArgumentError, message)
end
