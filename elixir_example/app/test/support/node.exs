# A node of its own, for a test to kill: the application with its jobs and a worker, on the test's database. It ends with its
# input, and answers each line of it with the number of its worker's process.
[options] = System.argv()
options = options |> Base.decode64!() |> :erlang.binary_to_term()

for {key, value} <- options do
  Application.put_env(:sekai, key, Keyword.merge(Application.get_env(:sekai, key, []), value))
end

Application.put_env(:sekai, :placement, :local)
{:ok, _started} = Application.ensure_all_started(:sekai)
{:ok, _facts} = PortWorker.await_ready(Sekai.Recommender)
IO.puts("node #{System.pid()}")

answer = fn answer ->
  case IO.read(:line) do
    :eof ->
      System.halt(0)

    _line ->
      {:ok, %{os_pid: os_pid}} = PortWorker.info(Sekai.Recommender)
      IO.puts("worker #{os_pid}")
      answer.(answer)
  end
end

answer.(answer)
