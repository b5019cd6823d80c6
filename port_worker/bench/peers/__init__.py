"""The bench of peers: the same requests to this worker and to what else could answer them, in one table of ratios."""
