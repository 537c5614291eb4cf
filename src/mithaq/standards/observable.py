"""What a sensor can see and an indicator can name, in one canonical form.

Intelligence, telemetry and detection compare observables by equality, so the two spellings of one thing must
become the same `Observable` on both sides. The canonical form is for comparing only: what a producer wrote
stays in the producer's bytes.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterator
from typing import Final, Literal, get_args
from urllib.parse import quote

import idna
import msgspec

ObservableType = Literal[
    "ipv4", "ipv6", "cidr", "domain", "url", "md5", "sha1", "sha256", "sha512", "email", "ja3", "ja4", "text"
]
TYPES: Final[tuple[ObservableType, ...]] = tuple(kind for kind in get_args(ObservableType) if kind != "text")
"""Those that a value alone can be: `text` is a part of a longer text, and says something only in a pattern's field."""

MAX_VALUE_CHARS: Final = 8192
"""Longer values are not observables; a browser's own limit for a URL is below it."""

_MAX_DOMAIN_CHARS: Final = 253
_MAX_LOCAL_PART_CHARS: Final = 64
_DEFAULT_PORTS: Final = {"http": "80", "https": "443", "ftp": "21", "ws": "80", "wss": "443"}
_HASH_CHARS: Final[dict[str, int]] = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128, "ja3": 32}
_HASH_BY_CHARS: Final[dict[int, ObservableType]] = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}

# Every expression below is deterministic at each character: no input makes it super-linear.
_ASCII_DOMAIN: Final = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_HEX: Final = re.compile(r"[0-9a-f]+")
_OCTET: Final = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4: Final = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}")
_IPV6_CHARS: Final = re.compile(r"[0-9A-Fa-f:.]{2,45}")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]{0,31}")
_FORBIDDEN_IN_URL: Final = re.compile(r"[\x00-\x20\x7f<>\"]")
_FORBIDDEN_IN_EMAIL: Final = re.compile(r"[\x00-\x20\x7f<>\"(),;:\\\[\]]")
# JA4, FoxIO technical details: a = protocol, version, SNI, counts, ALPN; b and c = truncated SHA-256.
_JA4: Final = re.compile(r"[tqd](?:[0-9]{2}|[sd][0-9])[di][0-9]{4}[0-9a-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}")
_URL_SAFE: Final = "".join(chr(c) for c in range(0x21, 0x7F))


class Observable(msgspec.Struct, frozen=True, order=True, gc=False):
    """Name one thing a sensor can see, in canonical form.

    Build one with `canonical_observable`; two equal observables are the same thing.
    """

    type: ObservableType
    value: str

    def __str__(self) -> str:
        return f"{self.type}:{self.value}"


def canonical_observable(kind: str, raw: str) -> Observable | None:
    """Return the canonical observable for a raw value, or None if the value is not of that kind.

    `kind` is one of `TYPES`. A network of one address becomes that address, an address with a prefix becomes
    its network, and an IPv4-mapped IPv6 address becomes the IPv4 address: so the returned type may differ
    from the asked one within ipv4, ipv6 and cidr. A network that covers every address is not an observable.

    >>> canonical_observable("domain", "Evil.Example.")
    Observable(type='domain', value='evil.example')
    >>> canonical_observable("ipv6", "::FFFF:192.0.2.1")
    Observable(type='ipv4', value='192.0.2.1')
    >>> canonical_observable("url", "HTTPS://Evil.Example:443")
    Observable(type='url', value='https://evil.example/')
    >>> canonical_observable("md5", "not a hash") is None
    True
    """
    if len(raw) > MAX_VALUE_CHARS:
        return None
    text = raw.strip()
    match kind:
        case "ipv4" | "ipv6" | "cidr":
            return _address_or_network(text)
        case "domain":
            return _observable("domain", canonical_domain(text))
        case "url":
            return _observable("url", _url(text))
        case "md5" | "sha1" | "sha256" | "sha512" | "ja3":
            return _observable(kind, _hex(text, _HASH_CHARS[kind]))
        case "email":
            return _observable("email", _email(text))
        case "ja4":
            lowered = text.lower()
            return Observable("ja4", lowered) if _JA4.fullmatch(lowered) else None
        case _:
            return None


def is_ipv4(text: str) -> bool:
    """Tell whether a text is an IPv4 address in its canonical form."""
    return _IPV4.fullmatch(text) is not None


def recognise(raw: str) -> Observable | None:
    """Return the observable a bare value most plainly is, or None.

    Thirty-two hexadecimal digits are an MD5: a JA3 looks the same and must be named as such by its source.

    >>> recognise("198.51.100.7").type, recognise("a@evil.example").type, recognise("evil.example").type
    ('ipv4', 'email', 'domain')
    """
    text = raw.strip()
    order: tuple[ObservableType, ...]
    if "://" in text:
        order = ("url",)
    elif "@" in text:
        order = ("email",)
    elif len(text) in _HASH_BY_CHARS and "." not in text and ":" not in text:
        order = (_HASH_BY_CHARS[len(text)],)
    else:
        order = ("ipv4", "ja4", "domain")
    for kind in order:
        found = canonical_observable(kind, text)
        if found is not None:
            return found
    return None


def canonical_domain(text: str) -> str | None:
    """Return a domain name of two labels or more as lower-case A-labels without the final dot, or None.

    A single label is refused: it names a top-level domain, and as an indicator would match everything below.
    """
    host = _host_name(text)
    if host is None or "." not in host:
        return None
    return host


def names_above(name: str) -> Iterator[str]:
    """Yield the domains above a canonical one that an indicator could name: those of two labels or more.

    >>> list(names_above("a.b.evil.example"))
    ['b.evil.example', 'evil.example']
    """
    above = name.partition(".")[2]
    while "." in above:
        yield above
        above = above.partition(".")[2]


def _observable(kind: ObservableType, value: str | None) -> Observable | None:
    return None if value is None else Observable(kind, value)


def _host_name(text: str) -> str | None:
    name = text.lower()
    if not name.isascii():
        ascii_name = _to_a_labels(name)
        if ascii_name is None:
            return None
        name = ascii_name
    name = name.removesuffix(".")
    if len(name) > _MAX_DOMAIN_CHARS or not _ASCII_DOMAIN.fullmatch(name):
        return None
    # A numeric last label is an address in disguise (WHATWG URL, "ends in a number").
    return None if name.rpartition(".")[2].isdecimal() else name


def _to_a_labels(name: str) -> str | None:
    if len(name) > _MAX_DOMAIN_CHARS:
        return None
    try:
        mapped = idna.uts46_remap(name, std3_rules=False, transitional=False)
    except (idna.IDNAError, UnicodeError):
        return None
    labels = [_a_label(label) for label in mapped.split(".")]
    return None if None in labels else ".".join(label for label in labels if label is not None)


def _a_label(label: str) -> str | None:
    if label.isascii():
        return label
    if len(label) > 63:
        return None
    # Some registries do not follow IDNA 2008 (emoji domains resolve): fall back to plain Punycode.
    try:
        return idna.alabel(label).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        pass
    if any(unicodedata.category(char)[0] in "CZ" for char in label):
        return None
    return "xn--" + label.encode("punycode").decode("ascii")


def _address_or_network(text: str) -> Observable | None:
    if "/" in text:
        return _network(text)
    if ":" in text:
        return _ipv6(text)
    return Observable("ipv4", text) if is_ipv4(text) else None


def _ipv6(text: str) -> Observable | None:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    bare = bare.partition("%")[0]
    if not _IPV6_CHARS.fullmatch(bare):  # a time of day has colons too, and most texts with one are no address
        return None
    try:
        address = ipaddress.IPv6Address(bare)
    except ValueError:
        return None
    mapped = address.ipv4_mapped
    return Observable("ipv6", str(address)) if mapped is None else Observable("ipv4", str(mapped))


def _network(text: str) -> Observable | None:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    if isinstance(network, ipaddress.IPv6Network):
        mapped = network.network_address.ipv4_mapped
        if mapped is not None and network.prefixlen >= 96:
            network = ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    if network.prefixlen == 0:
        return None
    if network.prefixlen == network.max_prefixlen:
        return _address_or_network(str(network.network_address))
    return Observable("cidr", str(network))


def _hex(text: str, chars: int) -> str | None:
    lowered = text.lower()
    return lowered if len(lowered) == chars and _HEX.fullmatch(lowered) else None


def _email(text: str) -> str | None:
    local, at, domain = text.rpartition("@")
    if not at or not local or len(local) > _MAX_LOCAL_PART_CHARS or "@" in local:
        return None
    if _FORBIDDEN_IN_EMAIL.search(local):
        return None
    host = canonical_domain(domain)
    return None if host is None else f"{unicodedata.normalize('NFC', local).lower()}@{host}"


def _url(text: str) -> str | None:
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or not _SCHEME.fullmatch(scheme) or _FORBIDDEN_IN_URL.search(rest):
        return None
    authority_chars = next((i for i, char in enumerate(rest) if char in "/?#\\"), len(rest))
    authority = _authority(scheme, rest[:authority_chars])
    if authority is None:
        return None
    tail = rest[authority_chars:]
    if not tail.startswith("/"):
        tail = "/" + tail.removeprefix("\\")
    # The fragment stays: without it a page's root would match for everyone who visits it.
    return f"{scheme}://{authority}{quote(tail, safe=_URL_SAFE)}"


def _authority(scheme: str, text: str) -> str | None:
    user, at, host_port = text.rpartition("@")
    host, port = _split_port(host_port)
    canonical = _url_host(host)
    if canonical is None or (port and (not port.isascii() or not port.isdecimal() or int(port[:6]) > 65535)):
        return None
    kept_port = f":{int(port)}" if port and port != _DEFAULT_PORTS.get(scheme) else ""
    return f"{quote(user, safe=_URL_SAFE)}{at}{canonical}{kept_port}"


def _split_port(host_port: str) -> tuple[str, str]:
    if host_port.startswith("["):
        host, _, after = host_port.partition("]")
        return host + "]", after.removeprefix(":")
    host, _, port = host_port.partition(":")
    return host, port


def _url_host(host: str) -> str | None:
    if host.startswith("["):
        address = _ipv6(host)
        if address is None:
            return None
        return f"[{address.value}]" if address.type == "ipv6" else address.value
    return host if is_ipv4(host) else _host_name(host)
