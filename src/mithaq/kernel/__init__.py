"""Mechanisms without meaning: everything above stands on these."""
