# What can be checked of elixir_example/app where there is no hex, with Elixir 1.14 or newer: that every file parses, and
# the tests of those modules that need no package.

app = Path.expand("../../elixir_example/app", __DIR__)
modules = ~w(monitor/window runners/usage streams/event streams/in_flight)
tests = ~w(monitor/window runners/usage streams/in_flight)

sources = Path.wildcard(app <> "/{bench,config,lib,priv,rel,test}/**/*.{ex,exs}") ++ [app <> "/mix.exs"]
for path <- sources, do: Code.string_to_quoted!(File.read!(path), file: path)
IO.puts("#{length(sources)} files of the application parse")

# Doctests read what is compiled.
compiled = Path.join(System.tmp_dir!(), "sekai-#{System.pid()}")
File.mkdir_p!(compiled)
Code.prepend_path(compiled)
{:ok, _modules, []} = Kernel.ParallelCompiler.compile_to_path(Enum.map(modules, &"#{app}/lib/sekai/#{&1}.ex"), compiled)

ExUnit.start(autorun: false, seed: 0)
for test <- tests, do: Code.require_file("#{app}/test/sekai/#{test}_test.exs")
%{failures: failures} = ExUnit.run()
File.rm_rf!(compiled)
System.halt(if failures == 0, do: 0, else: 1)
