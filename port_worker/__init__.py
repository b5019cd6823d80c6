"""Recommendations inside an Elixir system: a long-lived Python worker behind an Erlang Port."""

__version__ = "0.1.0"
