"""A version as one page to look at: how it was trained, what it is worth, what it has learnt."""
