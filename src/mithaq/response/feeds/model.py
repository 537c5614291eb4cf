"""The words of the feeds: frozen values, no I/O, no clock."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mithaq.response.model import ListFormat

BUNDLE: Final = "stix"
FORMS: Final = (*(each.value for each in ListFormat), BUNDLE)
"""In what form a collection is fetched; an account's door has the same name."""

KINDS: Final = {
    "ip": frozenset({"ipv4", "ipv6", "cidr"}),
    "domain": frozenset({"domain"}),
    "url": frozenset({"url"}),
}
"""What `type=` of a plain list leaves in it: firewalls take addresses, names and URLs in lists of their own."""


@dataclass(frozen=True, slots=True)
class Feed:
    """One feed at one instant: what it is to a browser, and its bytes, whole or piece by piece.

    `digest`: what stands for all the bytes, which no two contents share.
    """

    media_type: str
    name: str
    content: bytes | Iterator[bytes]
    digest: bytes

    @property
    def etag(self) -> str:
        """Return the entity tag by which a program asks whether anything changed."""
        return f'"{self.digest.hex()[:32]}"'


def whole(media_type: str, name: str, content: bytes) -> Feed:
    """Return a feed whose bytes are all there."""
    return Feed(media_type, name, content, hashlib.sha256(content).digest())
