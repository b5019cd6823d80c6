"""How good a model is: what it would have recommended to users whose next item is known, and whether that is enough."""
