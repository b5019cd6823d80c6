"""`port-worker bench sources`: rows out of a real PostgreSQL, by the source and by what people would write instead."""
