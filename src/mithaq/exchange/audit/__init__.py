"""Audits from files alone: export, verify, reconcile, evidence."""
