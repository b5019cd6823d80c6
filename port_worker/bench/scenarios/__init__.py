"""The scenarios: what a run does to a worker, and what is asked of the worker in return. One module each."""
