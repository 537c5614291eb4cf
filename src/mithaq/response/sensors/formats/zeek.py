"""Zeek's intelligence framework: one file, tab-separated.

Source: docs.zeek.org, Intelligence Framework (`Intel::Type`) and the ASCII input reader, which reads `\\xHH` as a byte.
"""

from collections.abc import Sequence
from typing import Final

from mithaq.response.places import url_parts
from mithaq.response.sensors.model import Line

FILE: Final = "zeek/mithaq.intel"
FIELDS: Final = ("indicator", "indicator_type", "meta.source", "meta.desc", "meta.url")
_TYPES: Final = {
    "ipv4": "Intel::ADDR",
    "ipv6": "Intel::ADDR",
    "cidr": "Intel::SUBNET",
    "domain": "Intel::DOMAIN",
    "url": "Intel::URL",
    "email": "Intel::EMAIL",
    "md5": "Intel::FILE_HASH",
    "sha1": "Intel::FILE_HASH",
    "sha256": "Intel::FILE_HASH",
}
_UNSET: Final = "-"


def render(lines: Sequence[Line], nation: str, node: str) -> bytes:
    """Write the file; `node`: where objects are looked up, empty for nowhere."""
    rows = ["\t".join(("#fields", *FIELDS))]
    for line in lines:
        if line.type in _TYPES:
            said = line.object + (f" from {line.nation}" if line.nation else "")
            where = _field(f"https://{node}/intelligence/{line.object}") if node else _UNSET
            indicator, source = _field(_indicator(line)), _field(f"mithaq-{nation}")
            rows.append("\t".join((indicator, _TYPES[line.type], source, _field(said), where)))
    return "".join(f"{row}\n" for row in rows).encode()


def _indicator(line: Line) -> str:
    """Return a value as Zeek compares it: a URL without scheme and fragment, an address bare."""
    if line.type != "url":
        return line.value
    _, host, port, rest = url_parts(line.value)
    named = f"[{host}]" if ":" in host else host
    return f"{named}:{port}{rest}".partition("#")[0] if port else f"{named}{rest}".partition("#")[0]


def _field(text: str) -> str:
    """Write a field; what is no printable ASCII, a backslash, or could be read as "not set", goes as `\\xHH`."""
    if text in ("", _UNSET, "(empty)"):
        return "".join(f"\\x{byte:02x}" for byte in text.encode()) or _UNSET
    head, rest = text[0], text[1:]
    start = "\\x23" if head == "#" else _bytes(head)
    return start + "".join(_bytes(each) for each in rest)


def _bytes(character: str) -> str:
    if " " <= character <= "~" and character != "\\":
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode())
