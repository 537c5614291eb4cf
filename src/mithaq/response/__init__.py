"""What is done about what is known: blocklists that block nobody by accident."""
