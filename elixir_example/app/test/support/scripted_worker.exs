# A worker that answers what its script says, so that tests decide about items, errors and delays.
#
#     elixir --erl -noinput scripted_worker.exs SCRIPT
#
# SCRIPT is a file with a term, read for each call: a map of ops to what is answered, {:ok, result}, {:error, code} or
# {:error, code, details}, :silence, or a map of users or items to those. What was asked is written beside it, as
# SCRIPT.calls, a line of Base 64 each.

defmodule ScriptedWorker do
  def main([script]) do
    port = Port.open({:fd, 0, 1}, [:binary, :eof, packet: 4])
    ops = [:ping, :recommend, :similar, :models, :activate]

    send_term(port, {
      :hello,
      %{
        protocol: 1,
        os_pid: String.to_integer(System.pid()),
        worker: %{name: "scripted", version: "0", python: "none"},
        ops: ops,
        limits: %{max_frame_bytes: 1_000_000, max_in_flight: 1_000},
        model: if(System.get_env("SCRIPTED_MODEL") != "none", do: %{version: "v1", algorithm: "ALS"})
      }
    })

    loop(port, script)
  end

  defp loop(port, script) do
    receive do
      {^port, {:data, frame}} -> frame |> :erlang.binary_to_term() |> handle(port, script)
      {^port, :eof} -> System.halt(0)
    end

    loop(port, script)
  end

  defp handle({:call, id, :ping, _args, _deadline}, port, _script), do: send_term(port, {:ok, id, :pong})

  defp handle({:call, id, op, args, deadline}, port, script) do
    call = {op, args, deadline} |> :erlang.term_to_binary() |> Base.encode64()
    File.write!(script <> ".calls", call <> "\n", [:append])
    reply(port, id, answer(script, op, args))
  end

  defp handle({:cancel, _id}, _port, _script), do: :ok

  defp answer(script, op, args) do
    script |> File.read!() |> :erlang.binary_to_term() |> Map.fetch!(op) |> of(args)
  end

  # A map is of what the call is about, or of what it was given beside that.
  defp of(%{} = answers, args),
    do: Map.get_lazy(answers, args[:user] || args[:item], fn -> answers[given(args)] end)

  defp of(answer, _args), do: answer

  defp given(args), do: if(args[:recent], do: :recent, else: :plain)

  defp reply(_port, _id, :silence), do: :ok
  defp reply(port, id, {:ok, result}), do: send_term(port, {:ok, id, result})
  defp reply(port, id, {:error, code}), do: reply(port, id, {:error, code, %{}})

  defp reply(port, id, {:error, code, details}) do
    retryable = code in [:overloaded, :draining, :no_model, :deadline_exceeded, :swap_in_progress]
    error = %{code: code, message: "it is #{code}", retryable: retryable, details: details}
    send_term(port, {:error, id, error})
  end

  defp send_term(port, term), do: Port.command(port, :erlang.term_to_binary(term, minor_version: 2))
end

ScriptedWorker.main(System.argv())
