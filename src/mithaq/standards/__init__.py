"""Hold the world's words: one module per standard, without I/O."""
