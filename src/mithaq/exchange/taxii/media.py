"""Media types of requests (RFC 9110 §12.5.1, TAXII 2.1 §1.6.8), read as what they are and not compared as texts."""

import re
from collections.abc import Iterator
from typing import Final

_PART: Final = re.compile(r'((?:[^,"]|"(?:[^"\\]|\\.)*")*)(?:,|$)')
_PARAMETER: Final = re.compile(r';\s*([\w!#$%&\'*+.^`|~-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;\s]*)')
_MAX_CHARACTERS: Final = 4_000
_TAXII: Final = "application/taxii+json"
_READ: Final = frozenset({_TAXII, "application/*", "*/*", "application/json"})
_POSTED: Final = frozenset({_TAXII, "application/stix+json", "application/json"})


def accepts(header: str | None) -> bool:
    """Tell whether a client takes TAXII 2.1: by name, by a range, as plain JSON, or by saying nothing.

    >>> accepts("application/taxii+json; version=2.1"), accepts("application/taxii+json;version=2.0")
    (True, False)
    """
    if header is None or not header.strip():
        return True
    return any(
        name in _READ and parameters.get("version", "2.1") == "2.1" and _quality(parameters) > 0
        for name, parameters in _types(header)
    )


def is_posted(header: str | None) -> bool:
    """Tell whether a body of this type is an envelope or a bundle.

    >>> is_posted("application/stix+json; version=2.1"), is_posted("text/csv"), is_posted(None)
    (True, False, False)
    """
    types = list(_types(header or ""))
    return len(types) == 1 and types[0][0] in _POSTED and types[0][1].get("version", "2.1") == "2.1"


def _types(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    for match in _PART.finditer(header[:_MAX_CHARACTERS]):
        name, _, _ = match.group(1).partition(";")
        if name.strip():
            parameters = {key.lower(): value.strip('"') for key, value in _PARAMETER.findall(match.group(1))}
            yield name.strip().lower(), parameters


def _quality(parameters: dict[str, str]) -> float:
    try:
        return float(parameters.get("q", "1"))
    except ValueError:
        return 0.0
