"""What a line of a list comes to: an entry, or a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mithaq.kernel.reason import Reason
from mithaq.standards.defang import refang_value
from mithaq.standards.observable import MAX_VALUE_CHARS, Observable, canonical_observable, recognise

MAX_NAME_CHARS: Final = 200
MAX_DESCRIPTION_CHARS: Final = 4000
MAX_LABELS: Final = 20
MAX_LABEL_CHARS: Final = 100

_CONTROLS: Final = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029), " ")


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of a list and what its line says of it; `line` counts from 1."""

    line: int
    observable: Observable
    name: str = ""
    description: str = ""
    labels: tuple[str, ...] = ()
    confidence: int | None = None
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was refused, and why."""

    line: int
    reason: Reason


def not_a_value(raw: str, kind: str | None) -> Reason:
    """Return why a raw value names nothing that can be seen."""
    shown = clean(raw, 80)
    if kind is not None:
        return Reason("line-without-value", "“%(value)s” is no %(type)s", {"value": shown, "type": kind})
    return Reason("line-without-value", "“%(value)s” is no address, domain, URL, e-mail address, hash or JA3/JA4",
                  {"value": shown})  # fmt: skip


def observable_of(raw: str, kind: str | None) -> Observable | None:
    """Return what a value on a list names, or None: defanged or not, with a port or a path or without.

    >>> observable_of("hxxp://evil[.]example/a", None).type, observable_of("198.51.100.7:443", None).value
    ('url', '198.51.100.7')
    >>> observable_of("evil.example/gate.php", None).value
    'http://evil.example/gate.php'
    """
    if len(raw) > 2 * MAX_VALUE_CHARS:
        return None
    text = refang_value(raw)
    found = canonical_observable(kind, text) if kind else recognise(text)
    if found is not None or "://" in text:
        return found
    if kind in (None, "url") and "/" in text and "@" not in text:
        return _without_scheme(text)
    host, colon, port = text.rpartition(":")
    if colon and port.isascii() and port.isdecimal() and int(port[:6]) <= 65535:
        return canonical_observable(kind, host) if kind else recognise(host)
    return None


def _without_scheme(text: str) -> Observable | None:
    """Take a URL whose scheme was left out; `198.51.100.0/33` is no page but a network that cannot be."""
    host, _, path = text.partition("/")
    if "." not in host or (path.isdecimal() and len(path) <= 3):
        return None
    return canonical_observable("url", f"http://{text}")


def clean(text: str, max_chars: int) -> str:
    """Return a foreign text as one line without control characters, cut to its limit."""
    return text[: 4 * max_chars].translate(_CONTROLS).strip()[:max_chars].strip()
