defmodule SekaiWeb.Schemas do
  @moduledoc "What the API takes and answers, as its description has it."

  alias OpenApiSpex.Schema
  alias Sekai.Interactions.Interaction
  alias Sekai.Jobs.RetrainArgs
  alias Sekai.Models.RetrainRun

  require OpenApiSpex

  defmodule Error do
    @moduledoc "Why a request was not done."
    alias SekaiWeb.Schemas.Parts

    OpenApiSpex.schema(
      %{
        title: "Error",
        type: :object,
        required: [:error],
        additionalProperties: false,
        properties: %{
          error: %Schema{
            type: :object,
            required: [:code, :message],
            additionalProperties: false,
            properties: %{
              code: Parts.text(description: "One of a closed set: it never changes its meaning"),
              message: Parts.text(description: "A sentence for people"),
              field: Parts.text(description: "Which field is to blame", example: "interactions[3].item_id"),
              expected: Parts.text(example: "a UUID"),
              got: Parts.text(example: "\"castle\"")
            }
          }
        }
      },
      struct?: false
    )
  end

  defmodule Recommendations do
    @moduledoc "Public items, best first, and where they are from."
    alias SekaiWeb.Schemas.Parts

    OpenApiSpex.schema(
      %{
        title: "Recommendations",
        type: :object,
        required: [:items, :source, :model, :fallback],
        additionalProperties: false,
        properties: %{
          items: %Schema{
            type: :array,
            items: %Schema{
              type: :object,
              required: [:id, :kind, :name, :score],
              additionalProperties: false,
              properties: %{
                id: Parts.id(),
                kind: Parts.kind(),
                name: Parts.text(),
                style: Parts.text(nullable: true),
                platform: Parts.text(nullable: true),
                uploader_id: Parts.id(),
                score: %Schema{type: :number, description: "Compares items of one answer only"}
              }
            }
          },
          source: %Schema{
            type: :string,
            enum: ~w(model fold_in features popular stored),
            description:
              "model: as it was learnt; fold_in: with what the user did since; stored: a list made earlier; popular: what most users had"
          },
          model: Parts.text(nullable: true, description: "The version that answered"),
          fallback: %Schema{
            type: :boolean,
            description: "Whether this is a stored or popular list because no worker answered"
          },
          fallback_reason: %Schema{
            type: :object,
            description: "Why, where `fallback` is true",
            required: [:code, :message],
            additionalProperties: false,
            properties: %{code: Parts.text(), message: Parts.text()}
          }
        }
      },
      struct?: false
    )
  end

  defmodule Interactions do
    @moduledoc "What users did."
    alias SekaiWeb.Schemas.Parts

    OpenApiSpex.schema(
      %{
        title: "Interactions",
        type: :object,
        required: [:interactions],
        additionalProperties: false,
        properties: %{
          interactions: %Schema{
            type: :array,
            minItems: 1,
            maxItems: Parts.max_batch(),
            items: %Schema{
              type: :object,
              required: [:id, :item_id, :kind],
              additionalProperties: false,
              properties: %{
                id: %{Parts.id() | description: "Chosen by whoever reports it; told twice, it is there once"},
                user_id: %{Parts.id() | description: "Whose it is; without it, the caller's"},
                item_id: Parts.id(),
                kind: %Schema{type: :string, enum: Map.keys(Interaction.weights())},
                time: Parts.time(description: "When it was; without it, now")
              }
            }
          }
        }
      },
      struct?: false
    )
  end

  defmodule Recorded do
    @moduledoc "What became of a batch of interactions."

    OpenApiSpex.schema(
      %{
        title: "Recorded",
        type: :object,
        required: [:accepted, :duplicates],
        additionalProperties: false,
        properties: %{
          accepted: %Schema{type: :integer, minimum: 0, description: "How many are new"},
          duplicates: %Schema{type: :integer, minimum: 0, description: "How many were there already"}
        }
      },
      struct?: false
    )
  end

  defmodule Model do
    @moduledoc "A version of the model."
    alias SekaiWeb.Schemas.Parts

    OpenApiSpex.schema(
      %{
        title: "Model",
        type: :object,
        required: [:version, :algorithm, :active, :metrics, :data_until, :trained_at],
        additionalProperties: false,
        properties: %{
          version: Parts.version(),
          algorithm: Parts.text(),
          active: %Schema{type: :boolean, description: "Whether it serves"},
          metrics: %Schema{type: :object, additionalProperties: true},
          data_until: Parts.time(nullable: true, description: "Newer interactions are not in it"),
          trained_at: Parts.time()
        }
      },
      struct?: false
    )
  end

  defmodule Models do
    @moduledoc "All versions of the model, newest first."
    alias SekaiWeb.Schemas.Parts

    OpenApiSpex.schema(
      %{
        title: "Models",
        type: :object,
        required: [:active, :versions],
        additionalProperties: false,
        properties: %{
          active: Parts.text(nullable: true, description: "The version that serves"),
          versions: %Schema{type: :array, items: SekaiWeb.Schemas.Model}
        }
      },
      struct?: false
    )
  end

  defmodule Training do
    @moduledoc "What a training is asked for with."
    alias SekaiWeb.Schemas.Parts

    OpenApiSpex.schema(
      %{
        title: "Training",
        type: :object,
        additionalProperties: false,
        properties: %{
          algorithm: %Schema{type: :string, enum: RetrainArgs.algorithms()},
          params: %Schema{
            type: :object,
            additionalProperties: true,
            description: "Hyper-parameters of the algorithm"
          },
          mode: Parts.text(enum: ~w(full incremental warm)),
          epochs: %Schema{type: :integer},
          seed: %Schema{type: :integer},
          budget_s: %Schema{type: :number, description: "Seconds after which no further epoch begins"},
          activate: Parts.text(enum: ~w(gated force never))
        }
      },
      struct?: false
    )
  end

  defmodule Run do
    @moduledoc "A training, from when it was asked for to how it ended."
    alias SekaiWeb.Schemas.Parts

    OpenApiSpex.schema(
      %{
        title: "Run",
        type: :object,
        required: [:id, :state, :algorithm, :params, :share, :inserted_at],
        additionalProperties: false,
        properties: %{
          id: Parts.id(),
          state: %Schema{type: :string, enum: Enum.map(Ecto.Enum.values(RetrainRun, :state), &to_string/1)},
          algorithm: Parts.text(),
          params: %Schema{type: :object, additionalProperties: true},
          phase: Parts.text(nullable: true),
          share: %Schema{type: :number, minimum: 0, maximum: 1, description: "How much of it is done"},
          version: Parts.text(nullable: true, description: "The version that it made"),
          activated: %Schema{type: :boolean, nullable: true},
          reason: Parts.text(nullable: true, description: "Why it failed, or why its model does not serve"),
          inserted_at: Parts.time(),
          started_at: Parts.time(nullable: true),
          finished_at: Parts.time(nullable: true)
        }
      },
      struct?: false
    )
  end

  defmodule Runs do
    @moduledoc "Trainings, newest first."
    alias SekaiWeb.Schemas.Parts

    OpenApiSpex.schema(
      %{
        title: "Runs",
        type: :object,
        required: [:runs],
        additionalProperties: false,
        properties: %{runs: %Schema{type: :array, items: SekaiWeb.Schemas.Run}}
      },
      struct?: false
    )
  end

  defmodule Health do
    @moduledoc "Whether this node can do its work, and what it lacks."
    alias SekaiWeb.Schemas.Parts

    OpenApiSpex.schema(
      %{
        title: "Health",
        type: :object,
        required: [:status],
        additionalProperties: false,
        properties: %{
          status: %Schema{type: :string, enum: ~w(ok unready)},
          missing: %Schema{
            type: :array,
            items: Parts.text(enum: ~w(database worker model)),
            description: "What does not answer"
          }
        }
      },
      struct?: false
    )
  end
end
