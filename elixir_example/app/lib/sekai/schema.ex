defmodule Sekai.Schema do
  @moduledoc "What all schemas have in common: UUID keys and times to the microsecond."

  @doc "A mistake of a changeset as a sentence, without its field."
  @spec message({String.t(), keyword()}) :: String.t()
  def message({message, details}) do
    Regex.replace(~r/%{(\w+)}/, message, fn _all, key -> to_string(details[String.to_existing_atom(key)]) end)
  end

  @spec __using__(keyword()) :: Macro.t()
  defmacro __using__(_options) do
    quote do
      use Ecto.Schema
      import Ecto.Changeset

      # Columns of `binary_id`; Ecto.UUID refuses what is none when it is cast, not only when it is written.
      @primary_key {:id, Ecto.UUID, autogenerate: true}
      @foreign_key_type Ecto.UUID
      @timestamps_opts [type: :utc_datetime_usec]
    end
  end
end
