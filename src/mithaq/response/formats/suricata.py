"""Suricata rules (7 and later): a rule for everything a sensor can see of an entry.

Each rule's sid follows from what it matches, so it stays the same from build to build and in every nation's
suppressions; where two would collide, the later one in order moves to the next free number.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from mithaq.response.model import BlockEntry
from mithaq.response.places import url_parts

_SIDS: Final = 1 << 28
_PLAIN: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~/?=&%+,@!$'()*#[]")


class Match(NamedTuple):
    """What a rule looks at (`slot`), its header and its matching options."""

    slot: str
    header: str
    options: str


def render(entries: Sequence[BlockEntry], *, action: str, first_sid: int) -> bytes:
    """Write the rules; what no sensor can see (the path of an https URL) is left out."""
    taken: set[int] = set()
    lines = []
    for entry in sorted(entries, key=lambda each: each.observable):
        for match in matches(entry.observable.type, entry.observable.value):
            sid = _sid(match, taken, first_sid)
            options = f'msg:"Mithaq {entry.observable.type}"; {match.options}metadata:mithaq_object {entry.object_id}; '
            lines.append(f"{action} {match.header} ({options}sid:{sid}; rev:1;)\n")
    return "".join(lines).encode()


def fits(entry: BlockEntry) -> bool:
    """Tell whether a rule can see the entry's value."""
    return any(True for _ in matches(entry.observable.type, entry.observable.value))


def matches(kind: str, value: str) -> Iterator[Match]:
    """Yield what rules see of a canonical value; nothing where no rule can."""
    match kind:
        case "domain":
            below = f'dotprefix; content:".{_content(value)}"; nocase; endswith; '
            yield Match("dns", "dns any any -> any any", f"dns.query; {below}")
            yield Match("tls", "tls any any -> any any", f"tls.sni; {below}")
            host = f'http.host; dotprefix; content:".{_content(value)}"; endswith; '
            yield Match("http", "http any any -> any any", host)
        case "ipv4" | "ipv6" | "cidr":
            yield Match("ip", f"ip any any <> {value} any", "")
        case "url":
            yield from _url(value)
        case "ja3" | "ja4":
            yield Match(kind, "tls any any -> any any", f'{kind}.hash; content:"{_content(value)}"; ')
        case _:
            return


def _url(value: str) -> Iterator[Match]:
    scheme, host, port, path = url_parts(value)
    path = path.partition("#")[0]
    has_user = "@" in value.partition("://")[2].partition("/")[0]
    if scheme != "http" or has_user or not host or not (port or "0").isdecimal():
        return
    exact = f'http.host; content:"{_content(host)}"; bsize:{len(host.encode())}; '
    where = f'http.uri.raw; content:"{_content(path)}"; bsize:{len(path.encode())}; '
    yield Match("url", f"http any any -> any {port or 'any'}", exact + where)


def _content(text: str) -> str:
    """Write a text for `content`: everything that could end the string or the rule goes as hexadecimal bytes."""
    return "".join(chr(byte) if byte in _PLAIN else f"|{byte:02X}|" for byte in text.encode())


def _sid(match: Match, taken: set[int], first_sid: int) -> int:
    digest = hashlib.sha256("\0".join(match[1:]).encode()).digest()
    place = int.from_bytes(digest[:4], "big") % _SIDS
    while place in taken:
        place = (place + 1) % _SIDS
    taken.add(place)
    return first_sid + place
