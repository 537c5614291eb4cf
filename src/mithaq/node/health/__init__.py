"""What is wrong with a node, and how to mend it."""
