"""What a bundle's reader says of each object, as it passes from one process to another."""

from __future__ import annotations

from typing import Final

import msgspec

from mithaq.intelligence.concordance import Concordance
from mithaq.kernel.reason import Reason
from mithaq.standards.stix import StixObject


class Readied(msgspec.Struct, tag=0, array_like=True, gc=False):
    """One object that can be read: its bytes, what is in them, and the values it names and is anchored by."""

    body: bytes
    stix: StixObject
    named: list[tuple[str, str, bool]]
    anchors: tuple[tuple[str, str], ...]


class Unreadable(msgspec.Struct, tag=1, array_like=True, gc=False):
    """One object that cannot be read, by its id or place."""

    name: str
    reason: Reason


class Broken(msgspec.Struct, tag=2, array_like=True, gc=False):
    """The bundle ends here: what follows cannot be read."""

    reason: Reason


Told = Readied | Unreadable | Broken


class Batch(msgspec.Struct, array_like=True, gc=False):
    """Some objects, and the concordance of those that can be read: its tokens as one text, and the places of each."""

    told: list[Told]
    readied: int
    tokens: str
    places: list[bytes]

    def concordance(self) -> Concordance:
        """Return the concordance of what can be read."""
        return Concordance(self.readied, self.tokens, self.places)


BATCH_OBJECTS: Final = 2_000
BATCH_BYTES: Final = 4 << 20
"""A batch ends with the object that passes either, or that makes a transaction of the import full."""

MAX_BATCH_BYTES: Final = 1 << 28
"""A longer one is no batch: of one object, its bytes and what was read of them stay far below."""

LENGTH_BYTES: Final = 4
"""Before each batch stands its length, big-endian."""

ENCODER: Final = msgspec.msgpack.Encoder()
DECODER: Final = msgspec.msgpack.Decoder(Batch)
