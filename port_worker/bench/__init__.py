"""The load generator: a constant rate of recommendations, and what they took."""
