"""What an agreement says, in sentences a minister understands, in every language of the node."""
