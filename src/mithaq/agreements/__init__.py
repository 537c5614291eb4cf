"""Parties, terms, signatures and the life of an agreement."""
