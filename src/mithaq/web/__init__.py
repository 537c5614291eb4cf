"""The pages of a node."""
