"""The documented JSON API of a node, for the programs of its own nation."""
