"""Find a field by its dotted path, whether a sensor nests it or spells it with dots."""

from collections.abc import Mapping
from typing import Final

MAX_SHAPES: Final = 1024
"""Of so many shapes, the fields of a record in their order, a reader knows what it has found out about them."""

MAX_SHAPE_CHARS: Final = 4096
"""A longer shape is none that a sensor writes again and again."""


def value_at(record: Mapping[str, object], path: str) -> object:
    """Return the value at a path, or None.

    >>> value_at({"id.orig_h": "10.0.0.1"}, "id.orig_h"), value_at({"id": {"orig_h": "10.0.0.1"}}, "id.orig_h")
    ('10.0.0.1', '10.0.0.1')
    """
    if path in record:
        return record[path]
    value: object = record
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value
