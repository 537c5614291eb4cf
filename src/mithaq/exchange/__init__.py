"""The partner channel, receipts, and what was withheld: the only way out."""
