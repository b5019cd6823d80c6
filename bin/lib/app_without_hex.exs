# What can be checked of elixir_example/app where there is no hex, with Elixir 1.14 or newer: that every file parses, and
# the tests of those modules that need no package.

app = Path.expand("../../elixir_example/app", __DIR__)
plain = [runners: :usage]

sources = Path.wildcard(app <> "/{bench,config,lib,priv,rel,test}/**/*.{ex,exs}") ++ [app <> "/mix.exs"]
for path <- sources, do: Code.string_to_quoted!(File.read!(path), file: path)
IO.puts("#{length(sources)} files of the application parse")

ExUnit.start(autorun: false, seed: 0)

for {room, name} <- plain do
  Code.require_file("#{app}/lib/sekai/#{room}/#{name}.ex")
  Code.require_file("#{app}/test/sekai/#{room}/#{name}_test.exs")
end

%{failures: failures} = ExUnit.run()
System.halt(if failures == 0, do: 0, else: 1)
