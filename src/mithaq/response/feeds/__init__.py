"""What constituents fetch as files: blocklists and a STIX bundle, each with a token of its own."""
