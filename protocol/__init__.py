"""The wire contract: frames, terms, messages, errors, session. Imports the standard library and numpy only."""
