"""`port-worker models`: the stored versions, for whoever runs the workers."""
