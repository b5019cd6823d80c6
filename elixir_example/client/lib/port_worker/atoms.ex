defmodule PortWorker.Atoms do
  @moduledoc """
  The closed set of atoms of protocol version 1, as `protocol/atoms.py` has it.

  Frames are decoded with `:safe`, which refuses any atom that this node does not know yet, so a worker can never
  fill the node's atom table. The atoms below therefore have to exist before the first frame is decoded, and an atom
  exists once a module that names it is loaded: `PortWorker.Connection` calls `load/0` before it spawns a worker.
  """

  @message_tags ~w(call cancel hello ok error progress event)a

  @ops ~w(ping status recommend recommend_many similar score explain feedback hide_items show_items retrain
          models activate rollback drain)a

  @events ~w(model_activated model_damaged draining)a

  @states ~w(starting ready draining closed)a

  @phases ~w(extract prepare fit evaluate final_fit export load)a

  @values ~w(nil true false infinity pong model fold_in features popular pairs columns cosine dot exact
             similarity full incremental warm gated force never holdout newer recorded)a

  @columns ~w(int64 float32 uuid int32 uint8)a

  @arguments ~w(user n exclude form kinds filter_consumed diversity recent features users item metric items
                weight time weights times algorithm params retriever ranker retriever_params candidates
                source mode epochs seed budget_s activate version)a

  @keys ~w(protocol worker name version python os_pid ops limits max_frame_bytes max_in_flight max_batch
           max_bulk max_items max_exclude max_users max_feedback max_recent max_kinds max_features max_id_bytes
           max_terms max_depth max_map_pairs max_bignum_bytes max_atom_bytes users items rows bytes created_at
           active damaged versions algorithm kind options facts source exhausted ignored scored ids scores
           sources source_names n metric score method accepted unknown_users unknown_items stored changed
           hidden unknown state uptime_ms rss_bytes heavy_modules in_flight queued bulk_queued answered errors
           batches batch_mean batch_max queue_ms_mean queue_ms_max service_ms_mean service_ms_max
           feedback_rows hidden_items training code message retryable details phase share epoch epochs loss
           duration_ms completed seconds_left activated reason evaluation cutoff recall ndcg map coverage
           novelty candidate popularity basis compared_users standard_error mode previous skipped)a

  @codes ~w(malformed_term malformed_message frame_too_large id_in_use unknown_op missing_argument
            unknown_argument invalid_argument unknown_item unsupported_option too_many_hidden reply_too_large
            unknown_algorithm invalid_hyperparameter algorithm_unavailable training_unavailable
            training_in_progress training_failed no_model model_damaged unknown_version
            no_previous_version swap_in_progress store_unavailable source_missing source_unreadable
            source_missing_column source_invalid_row source_empty feedback_unavailable deadline_exceeded
            cancelled overloaded draining internal)a

  @all Enum.uniq(
         @message_tags ++
           @ops ++ @events ++ @states ++ @phases ++ @values ++ @columns ++ @arguments ++ @keys ++ @codes
       )

  @doc """
  Every atom that may cross the wire.

      iex> :recommend in PortWorker.Atoms.all()
      true
  """
  @spec all() :: [atom(), ...]
  def all, do: @all

  @doc "Loads this module, and with it every atom of the protocol."
  @spec load() :: :ok
  def load, do: :ok
end
