"""Plain lists, hosts files and CSV: what a line says, by a mapping of its columns."""
