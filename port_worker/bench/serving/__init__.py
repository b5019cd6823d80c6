"""The bench of serving: this worker through its pipe beside LibRecommender and faiss, in one run."""
