"""`port-worker sources`: which sources are configured, and what one of them holds."""
