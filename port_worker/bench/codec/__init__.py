"""The codec against its peers: time per operation, hostile frames, and an echo through a real Erlang Port."""
