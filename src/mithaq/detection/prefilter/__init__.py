"""Which raw lines may hold something that is looked for? Asked of every line, before anything is parsed."""
