"""`mithaq agreement`: from a draft to signatures, and what is agreed in plain sentences."""
