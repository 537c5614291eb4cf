"""Find in a text what an agreement may protect: e-mail addresses, telephone numbers, accounts, internal addresses.

One pass a detector, whatever the text: every expression is bounded and starts where the one before cannot go on. A
value that was defanged on purpose is found too, but not its place: then the whole text counts.

Source: RFC 1918, RFC 4193, RFC 6598, RFC 8375, RFC 6762 appendix G, ICANN SAC113 (`internal`).
"""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from mithaq.agreements.vocabulary import FieldClass
from mithaq.standards.defang import refang

ValueKind = Literal["email", "phone", "account", "address", "host", "known"]

_MAIL_HOST: Final = re.compile(r"@(?:[\w-]{1,63}\.){1,8}[\w-]{2,63}")
_MAIL_LOCAL: Final = re.compile(r"[^\w.%+-]")
_PHONE: Final = re.compile(
    r"(?<!\w)(?:[+\uff0b]|00(?=[1-9 (])|tel:)[ (]{0,2}\d(?:[ ().\u2011/-]{0,2}\d){6,14}+(?!\w)", re.IGNORECASE
)
_ACCOUNT: Final = re.compile(r"(?:\\Users\\{1,3}|/home/|/Users/)([^\\/\s\"'<>|:*?%\[\]]{1,64})", re.IGNORECASE)
_IPV4: Final = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2})?(?!\d|\.\d)")
_IPV6: Final = re.compile(r"(?<![\w:.])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:/\d{1,3})?(?![\w])", re.IGNORECASE)
_HOST: Final = re.compile(
    r"(?<![\w.-])(?:[\w-]{1,63}\.){1,126}"
    r"(local|lan|corp|internal|intranet|intra|private|localdomain|home|home\.arpa)(?![\w-]|\.\w)",
    re.IGNORECASE,
)
_SHARE: Final = re.compile(r"(?<![\\\w])\\\\{1,3}([A-Za-z0-9][\w.-]{0,62})(?=\\)")
_DEFANGED: Final = re.compile(r"[\[({\\\u00ad\u200b-\u200f\u2060\ufeff\uff0e\u3002\u2024]|hxxp", re.IGNORECASE)
_EVERYBODY: Final = frozenset({"public", "default", "all users", "administrator", "user", "username"})
_INTERNAL: Final = tuple(
    ipaddress.ip_network(net)
    for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8",
                "fc00::/7", "fe80::/10", "fec0::/10", "::1/128")
)  # fmt: skip
MIN_NAME_CHARS: Final = 4
"""A shorter name stands in too many words to be looked for."""

PSEUDONYM_DOMAIN: Final = "pseudonym.invalid"
"""RFC 6761: `invalid` names nothing, so a pseudonym is nobody's address."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value in a text that belongs to a class of fields; `start` is -1 where its place is not known."""

    fields: FieldClass
    kind: ValueKind
    text: str
    start: int

    @property
    def end(self) -> int:
        """Return where the value ends."""
        return self.start + len(self.text)


def values_in(text: str) -> list[Value]:
    """Return the values in a text, in the order of the detectors; those that were defanged without a place."""
    found = list(_plain(text))
    if _DEFANGED.search(text):
        clean = refang(text).replace("\ue000", ".")
        seen = {(value.kind, value.text) for value in found}
        if clean != text:
            found += [
                Value(value.fields, value.kind, value.text, -1)
                for value in _plain(clean)
                if (value.kind, value.text) not in seen and value.kind != "account"
            ]
    return found


def internal_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Return an address or network of somebody's own net, or None where it is of the public one or none at all.

    >>> internal_network("10.020.3.4/24"), internal_network("198.51.100.7")
    (IPv4Network('10.20.3.0/24'), None)
    """
    host, slash, prefix = text.partition("/")
    if "." in host:
        host = ".".join(str(int(part)) for part in host.split(".") if part.isdecimal())
    try:
        network = ipaddress.ip_network(f"{host}{slash}{prefix}", strict=False)
    except ValueError:
        return None
    inside = any(network.version == each.version and network.subnet_of(each) for each in _INTERNAL)  # type: ignore[arg-type]
    return network if inside else None


def coarse_network(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    """Return the /24 (IPv4) or the /48 (IPv6) around a network; a wider one stays as it is."""
    width = 24 if network.version == 4 else 48
    return str(network if network.prefixlen <= width else network.supernet(new_prefix=width))


def _plain(text: str) -> Iterator[Value]:
    done = 0
    for match in _MAIL_HOST.finditer(text):
        local = _MAIL_LOCAL.split(text[done : match.start()])[-1]
        done = match.end()
        if local and match.group() != f"@{PSEUDONYM_DOMAIN}":
            yield Value("personal-data", "email", local + match.group(), match.start() - len(local))
    for match in _PHONE.finditer(text):
        yield Value("personal-data", "phone", match.group(), match.start())
    for match in _ACCOUNT.finditer(text):
        if match.group(1).lower() not in _EVERYBODY:
            yield Value("personal-data", "account", match.group(1), match.start(1))
    yield from _addresses(text)
    for expression, group in ((_HOST, 0), (_SHARE, 1)):
        for match in expression.finditer(text):
            yield Value("internal-address", "host", match.group(group), match.start(group))


def _addresses(text: str) -> Iterator[Value]:
    for match in _IPV4.finditer(text):
        if internal_network(match.group()):
            yield Value("internal-address", "address", match.group(), match.start())
    if text.count(":") < 2:
        return
    for match in _IPV6.finditer(text):
        written = match.group() if match.group().endswith("::") else match.group().rstrip(":")
        if internal_network(written):
            yield Value("internal-address", "address", written, match.start())
