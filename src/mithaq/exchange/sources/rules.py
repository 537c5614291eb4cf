"""Pure decisions about sources: which addresses are asked, which redirects followed, when the next run is due."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urljoin, urlsplit

from mithaq.exchange.sources import settings
from mithaq.exchange.sources.model import CREDENTIAL_OVER_HTTP, FLAGS, Source
from mithaq.kernel.reason import Reason

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_NAME_CHARACTERS: Final = range(2, 64)
_PORTS: Final = {"http": 80, "https": 443}
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def refusal(source: Source) -> Reason | None:
    """Return why a source cannot be followed as described, None where it can."""
    if len(source.name) not in _NAME_CHARACTERS or not _NAME.fullmatch(source.name):
        return Reason(
            "source-name",
            "a name has 2 to 63 small letters, digits and single hyphens, and begins with a letter",
        )
    if reason := address_refusal(source.address):
        return reason
    if not settings.MIN_EVERY_S <= source.every_s <= settings.MAX_EVERY_S:
        return Reason(
            "source-schedule",
            "a source is asked every %(min)s to %(max)s seconds",
            {"min": settings.MIN_EVERY_S, "max": settings.MAX_EVERY_S},
        )
    if unknown := source.flags.difference(FLAGS):
        return Reason("source-flag", "%(flag)s is no flag of a source", {"flag": min(unknown)[:80]})
    if source.kind == "taxii" and not source.collection and "/collections/" not in source.address:
        return Reason("source-collection", "a TAXII source needs a collection: its id, alias or title")
    if source.auth != "none" and source.address.startswith("http:") and CREDENTIAL_OVER_HTTP not in source.flags:
        return Reason(
            "source-credential-over-http",
            "a credential would travel unencrypted",
            {},
            "use an https address, or allow it for this source with --lenient credential-over-http",
        )
    return None


def address_refusal(address: str) -> Reason | None:
    """Return why nothing may be asked at an address, None where it may.

    >>> address_refusal("https://feeds.example/taxii2/")
    >>> address_refusal("file:///etc/passwd").code
    'source-address'
    """
    bad = Reason("source-address", "an address is http(s)://host/…, without a user, a password or a fragment")
    if len(address) > settings.MAX_ADDRESS_CHARACTERS or not address.isascii() or not address.isprintable():
        return bad
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return bad
    if parts.scheme not in _PORTS or not parts.hostname or port == 0 or "\\" in address or " " in address:
        return bad
    return bad if parts.fragment or "@" in parts.netloc else None


def shown(address: str) -> str:
    """Return an address for people: without its query, in which keys are sometimes kept."""
    return address.partition("?")[0][:200]


def origin(address: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an address."""
    parts = urlsplit(address)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme, 0)


def is_same_origin(address: str, other: str) -> bool:
    """Tell whether two addresses have the same scheme, host and port."""
    return origin(address) == origin(other)


def redirected(address: str, location: str) -> str | None:
    """Return where a redirect leads, None where it may not be followed: to another host, or away from TLS.

    >>> redirected("http://feeds.example/a", "https://feeds.example/b")
    'https://feeds.example/b'
    >>> redirected("https://feeds.example/a", "http://feeds.example/a")
    >>> redirected("https://feeds.example/a", "https://elsewhere.example/a")
    """
    try:
        target = urljoin(address, location)
    except ValueError:
        return None
    if address_refusal(target) is not None:
        return None
    here, there = origin(address), origin(target)
    is_upgrade = here[0] == "http" and there[0] == "https" and (here[2], there[2]) == (80, 443)
    return target if here == there or (is_upgrade and here[1] == there[1]) else None


def within(base: str, reference: str) -> str | None:
    """Return an address that a document names, where it lies at the origin the document came from."""
    try:
        target = urljoin(base, reference)
    except ValueError:
        return None
    return target if address_refusal(target) is None and is_same_origin(base, target) else None


def is_public(text: str) -> bool:
    """Tell whether an IP address is one of the public internet, whatever it is wrapped in.

    >>> [is_public(each) for each in ("192.0.2.1", "10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "9.9.9.9")]
    [False, False, False, False, True]
    """
    address: Address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast


def back_off_s(failures: int, drawn: float) -> float:
    """Return how long to wait after so many failures in a row; `drawn` is a number from 0 to 1.

    >>> [back_off_s(count, 1.0) for count in (1, 2, 3, 40)]
    [60.0, 120.0, 240.0, 21600.0]
    >>> back_off_s(1, 0.0)
    30.0
    """
    whole = min(settings.FIRST_RETRY_S * 2.0 ** min(failures - 1, 30), settings.LONGEST_RETRY_S)
    return whole * (0.5 + drawn / 2)


def due_after_failure(at: datetime, failures: int, drawn: float, retry_after_s: float | None) -> datetime:
    """Return when a source is asked again: never before the instant that its server asked for."""
    wait_s = back_off_s(failures, drawn)
    if retry_after_s is not None:
        wait_s = max(wait_s, min(retry_after_s, settings.LONGEST_RETRY_AFTER_S))
    return at + timedelta(seconds=wait_s)


def retry_after_s(headers: Mapping[str, str], at: datetime) -> float | None:
    """Read `Retry-After` (RFC 9110 §10.2.3): seconds, or an instant; None where there is none that can be read."""
    text = headers.get("retry-after", "").strip()
    if text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        then = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    if then.tzinfo is None:
        return None
    return max(0.0, (then - at).total_seconds())


def texts(values: Collection[str]) -> tuple[str, ...]:
    """Return words without repeats, in order."""
    return tuple(dict.fromkeys(value.strip() for value in values if value.strip()))


def storable(text: str) -> str:
    """Return foreign text that every database keeps: half characters replaced, zero bytes left out.

    >>> storable("a" + chr(0xD800) + chr(0) + "b")
    'a?b'
    """
    return text.encode("utf-8", "replace").decode().replace("\0", "")
