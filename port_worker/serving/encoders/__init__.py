"""Models that compute a user's vector from a recent sequence or from features: the forward pass in numpy alone."""
