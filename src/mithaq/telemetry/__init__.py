"""What sensors saw: sources, parsers and the lake that keeps every event to be searched again."""
