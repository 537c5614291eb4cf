"""What reads hostile bytes, as programs of its own: without keys, environment or files, and within limits."""
