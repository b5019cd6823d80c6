# What a test needs to tell is in its assertion; the log of workers that are killed on purpose is shown only on failure.
ExUnit.start(capture_log: true)

# Events of workers are logged for debugging, also in setup_all, whose log is not captured.
Logger.configure(level: :info)
