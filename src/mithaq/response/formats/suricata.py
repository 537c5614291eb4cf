"""Suricata rules (7 and later): a rule for everything a sensor can see of an entry.

Each rule's sid follows from what it matches, so it stays the same from build to build and in every nation's
suppressions; where two would collide, the later one in order moves to the next free number.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

from mithaq.response.model import BlockEntry
from mithaq.response.rules import url_parts

_SIDS: Final = 1 << 28
_PLAIN: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~/?=&%+,@!$'()*#[]")


def render(entries: Sequence[BlockEntry], *, action: str, first_sid: int) -> bytes:
    """Write the rules; what no sensor can see (the path of an https URL) is left out."""
    taken: set[int] = set()
    lines = []
    for entry in sorted(entries, key=lambda each: each.observable):
        for match in _matches(entry):
            sid = _sid(match, taken, first_sid)
            options = f'msg:"Mithaq {entry.observable.type}"; {match[1]}metadata:mithaq_object {entry.object_id}; '
            lines.append(f"{action} {match[0]} ({options}sid:{sid}; rev:1;)\n")
    return "".join(lines).encode()


def fits(entry: BlockEntry) -> bool:
    """Tell whether a rule can see the entry's value."""
    return any(True for _ in _matches(entry))


def _matches(entry: BlockEntry) -> Iterator[tuple[str, str]]:
    """Yield header and matching options."""
    value = entry.observable.value
    match entry.observable.type:
        case "domain":
            below = f'dotprefix; content:".{_content(value)}"; nocase; endswith; '
            yield "dns any any -> any any", f"dns.query; {below}"
            yield "tls any any -> any any", f"tls.sni; {below}"
            yield "http any any -> any any", f'http.host; dotprefix; content:".{_content(value)}"; endswith; '
        case "ipv4" | "ipv6" | "cidr":
            yield f"ip any any <> {value} any", ""
        case "url":
            yield from _url(value)
        case "ja3" | "ja4" as kind:
            yield "tls any any -> any any", f'{kind}.hash; content:"{_content(value)}"; '
        case _:
            return


def _url(value: str) -> Iterator[tuple[str, str]]:
    scheme, host, port, path = url_parts(value)
    path = path.partition("#")[0]
    if scheme != "http" or "@" in value.partition("://")[2].partition("/")[0]:
        return
    exact = f'http.host; content:"{_content(host)}"; bsize:{len(host)}; '
    where = f'http.uri.raw; content:"{_content(path)}"; bsize:{len(path)}; '
    yield f"http any any -> any {port or 'any'}", exact + where


def _content(text: str) -> str:
    """Write a text for `content`: everything that could end the string or the rule goes as hexadecimal bytes."""
    return "".join(chr(byte) if byte in _PLAIN else f"|{byte:02X}|" for byte in text.encode())


def _sid(match: tuple[str, str], taken: set[int], first_sid: int) -> int:
    digest = hashlib.sha256("\0".join(match).encode()).digest()
    place = int.from_bytes(digest[:4], "big") % _SIDS
    while place in taken:
        place = (place + 1) % _SIDS
    taken.add(place)
    return first_sid + place
