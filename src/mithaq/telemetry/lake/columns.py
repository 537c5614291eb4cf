"""Which fields of the common vocabulary are columns of a sealed segment, and what of a record stands in them.

A column has one form: names in lower case without the final dot, addresses in canonical form, ports and codes as
numbers, several addresses as a list; any other text as the sensor wrote it. What cannot take the form is absent: the
original line has it.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Final

from mithaq.standards.observable import canonical_observable
from mithaq.telemetry.vocabulary import ECS_NAMES

MAX_TEXT_CHARS: Final = 8192
"""Of a longer text a column holds the beginning."""

_MAX_NUMBER: Final = 2**31 - 1
_MAX_ITEMS: Final = 64


class Holds(StrEnum):
    """What a column holds."""

    TEXT = "text"
    NAME = "name"
    HASH = "hash"
    ADDRESS = "address"
    ADDRESSES = "addresses"
    NAMES = "names"
    NUMBER = "number"


_SPECIAL: Final = {
    **dict.fromkeys(("source.ip", "destination.ip"), Holds.ADDRESS),
    "dns.resolved_ip": Holds.ADDRESSES,
    "email.to.address": Holds.NAMES,
    **dict.fromkeys(("source.port", "destination.port", "http.response.status_code", "process.pid"), Holds.NUMBER),
    **dict.fromkeys(
        (
            *("destination.domain", "dns.question.name", "source.domain", "tls.client.server_name", "url.domain"),
            *("host.name", "email.from.address"),
        ),
        Holds.NAME,
    ),
    **dict.fromkeys((name for name in ECS_NAMES if ".hash." in name or ".ja" in name), Holds.HASH),
}
COLUMNS: Final[Mapping[str, Holds]] = {name: _SPECIAL.get(name, Holds.TEXT) for name in ECS_NAMES}
"""Every column that is a field of the vocabulary, by its ECS name, and what it holds."""

Cell = str | int | list[str]


def cell_of(name: str, text: str) -> Cell | None:
    """Return what stands in a column where a sensor wrote this text.

    >>> cell_of("dns.question.name", "Evil.Example."), cell_of("source.port", "x")
    ('evil.example', None)
    """
    cell = _FORMS[COLUMNS[name]](text)
    return None if cell in ("", []) else cell


def _text(text: str) -> str:
    return text[:MAX_TEXT_CHARS]


def _name(text: str) -> str:
    return text[:MAX_TEXT_CHARS].strip().lower().removesuffix(".")


def _hash(text: str) -> str:
    return text[:MAX_TEXT_CHARS].lower().replace(":", "")


@lru_cache(maxsize=16384)
def _address(text: str) -> str | None:
    seen = canonical_observable("ipv4", text)
    return seen.value if seen is not None and seen.type in {"ipv4", "ipv6"} else None


def _addresses(text: str) -> list[str]:
    """Read the addresses of a list, or of Sysmon's `type:  5 cdn.example;::ffff:192.0.2.1;`."""
    parts = text[:MAX_TEXT_CHARS].replace(";", ",").split(",", _MAX_ITEMS)[:_MAX_ITEMS]
    found = (_address(part.strip()) for part in parts)
    return [each for each in dict.fromkeys(found) if each is not None]


def _names(text: str) -> list[str]:
    parts = text[:MAX_TEXT_CHARS].split(",", _MAX_ITEMS)[:_MAX_ITEMS]
    return [name for name in dict.fromkeys(map(_name, parts)) if name]


def _number(text: str) -> int | None:
    """Read a decimal number, or one that Windows writes with `0x`."""
    try:
        number = int(text[:12], 16 if text.startswith("0x") else 10)
    except ValueError:
        return None
    return number if len(text) <= 12 and 0 <= number <= _MAX_NUMBER else None


_FORMS: Final[Mapping[Holds, Callable[[str], Cell | None]]] = {
    Holds.TEXT: _text,
    Holds.NAME: _name,
    Holds.HASH: _hash,
    Holds.ADDRESS: _address,
    Holds.ADDRESSES: _addresses,
    Holds.NAMES: _names,
    Holds.NUMBER: _number,
}
