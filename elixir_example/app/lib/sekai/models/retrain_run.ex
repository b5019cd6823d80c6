defmodule Sekai.Models.RetrainRun do
  @moduledoc "One training, from when it was asked for to how it ended."

  use Sekai.Schema

  @type t :: %__MODULE__{}

  @states [:waiting, :running, :succeeded, :failed, :cancelled]

  schema "retrain_runs" do
    field :job_id, :integer
    field :state, Ecto.Enum, values: @states, default: :waiting
    field :algorithm, :string
    field :params, :map, default: %{}
    field :phase, :string
    field :share, :float, default: 0.0
    field :version, :string
    field :activated, :boolean
    field :reason, :string
    field :started_at, :utc_datetime_usec
    field :finished_at, :utc_datetime_usec
    timestamps()
  end
end
