"""Mithaq, the joint-defence node that a national CERT runs."""

__version__ = "0.1.0"
