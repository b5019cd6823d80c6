"""A remote model store beside the worker: a child process downloads and uploads while calls are answered."""
