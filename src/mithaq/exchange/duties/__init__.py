"""Obligations that happen: deletion, recall, clocks and reminders."""
