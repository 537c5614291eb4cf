"""Hits: written down, stopped where there are too many, gathered in groups, decided about."""
