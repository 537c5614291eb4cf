"""Typed identifiers."""

import uuid
from typing import NewType

NationId = NewType("NationId", str)
"""A nation's two-letter ISO 3166 code (user-assigned codes such as XA for fictional nations)."""


def new_id(kind: str) -> str:
    """Return a fresh identifier in STIX form, `kind--uuid4`."""
    return f"{kind}--{uuid.uuid4()}"
