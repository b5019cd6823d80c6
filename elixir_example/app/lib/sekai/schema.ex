defmodule Sekai.Schema do
  @moduledoc "What all schemas have in common: UUID keys and times to the microsecond."

  @spec __using__(keyword()) :: Macro.t()
  defmacro __using__(_options) do
    quote do
      use Ecto.Schema
      import Ecto.Changeset

      @primary_key {:id, :binary_id, autogenerate: true}
      @foreign_key_type :binary_id
      @timestamps_opts [type: :utc_datetime_usec]
    end
  end
end
