"""What is stored for folding in is what makes the users of a world of the same kind."""
