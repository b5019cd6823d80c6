defmodule Sekai.Jobs.RetrainArgs do
  @moduledoc """
  What a training may be asked for, checked before it is a job: what is wrong is told to whoever asks, not to a log.

  | field | value |
  |---|---|
  | `algorithm` | one of `algorithms/0` (`"ALS"`) |
  | `params` | hyper-parameters: names to numbers, booleans, strings, nil, or lists of those; their names are the algorithm's, and checked by the worker |
  | `mode` | `"full"`, `"incremental"` or `"warm"`, as of `PortWorker.retrain/2` |
  | `epochs`, `seed`, `budget_s` | as of `PortWorker.retrain/2` |
  | `activate` | `"gated"`: the model has to be good enough (default); `"force"`; `"never"` |
  """

  use Ecto.Schema

  import Ecto.Changeset

  @type t :: %__MODULE__{}

  # What `bin/algorithms` lists.
  @algorithms ~w(ALS BPR SVD SVDpp TwoTower YouTubeRetrieval Item2Vec DeepWalk RNN4Rec Caser WaveNet LightGCN NGCF GraphSage
                 PinSage UserCF ItemCF RsUserCF RsItemCF Swing NCF FM WideDeep DeepFM AutoInt YouTubeRanking DIN Transformer
                 SIM)
  @longest_budget_s 7_000

  @primary_key false
  embedded_schema do
    field :algorithm, :string, default: "ALS"
    field :params, :map, default: %{}
    field :mode, Ecto.Enum, values: [:full, :incremental, :warm]
    field :epochs, :integer
    field :seed, :integer
    field :budget_s, :float
    field :activate, Ecto.Enum, values: [:gated, :force, :never]
  end

  @doc "The names of the algorithms that there are."
  @spec algorithms() :: [String.t(), ...]
  def algorithms, do: @algorithms

  @doc "Checks what somebody asks for."
  @spec parse(map()) :: {:ok, t()} | {:error, Ecto.Changeset.t(t())}
  def parse(asked), do: asked |> changeset() |> apply_action(:insert)

  @doc "The arguments of a job, which has JSON only."
  @spec to_job(t()) :: %{String.t() => term()}
  def to_job(%__MODULE__{} = args) do
    for {key, value} <- Map.from_struct(args), value != nil, into: %{}, do: {to_string(key), value}
  end

  @doc "The options of `PortWorker.retrain_async/2`."
  @spec to_options(t()) :: keyword()
  def to_options(%__MODULE__{} = args),
    do: args |> Map.from_struct() |> Enum.reject(fn {_key, value} -> value == nil end)

  defp changeset(asked) do
    %__MODULE__{}
    |> cast(asked, __schema__(:fields))
    |> refuse_others(asked)
    |> validate_required([:algorithm])
    |> validate_inclusion(:algorithm, @algorithms, message: "is none of #{Enum.join(@algorithms, ", ")}")
    |> validate_change(:params, &hyperparameters/2)
    |> validate_number(:epochs, greater_than: 0, less_than_or_equal_to: 10_000)
    |> validate_number(:seed, greater_than_or_equal_to: 0, less_than: 2_147_483_648)
    |> validate_number(:budget_s, greater_than: 0, less_than_or_equal_to: @longest_budget_s)
  end

  defp refuse_others(changeset, asked) do
    known = Enum.map(__schema__(:fields), &to_string/1)

    case Enum.reject(Map.keys(asked), &(to_string(&1) in known)) do
      [] -> changeset
      others -> add_error(changeset, :base, "there is no #{Enum.map_join(others, ", ", &inspect/1)}")
    end
  end

  defp hyperparameters(:params, params) do
    for {name, value} <- params, not (text?(name) and plain?(value)) do
      {:params,
       {"expected %{name} to be a number, a boolean, a string, nil, or a list of those, got: %{got}",
        name: inspect(name), got: inspect(value)}}
    end
  end

  defp plain?(list) when is_list(list), do: Enum.all?(list, &scalar?/1)
  defp plain?(value), do: scalar?(value)

  defp scalar?(value), do: is_number(value) or text?(value) or is_boolean(value) or is_nil(value)

  # No database takes a NUL in a text.
  defp text?(value), do: is_binary(value) and not String.contains?(value, "\0")
end
