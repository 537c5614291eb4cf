"""Questions that people ask of the lake: once, or saved and asked again; and their answers."""
