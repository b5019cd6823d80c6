"""The program that people try the worker with: a prompt, or commands that run and exit."""
