"""A trained model answering: who is asked for, what ranks highest, what they have had already, and cold start."""
