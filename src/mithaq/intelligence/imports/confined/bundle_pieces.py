"""What a bundle's reader says of each object, as it passes from one process to another."""

from __future__ import annotations

from typing import Final

import msgspec

from mithaq.kernel.reason import Reason
from mithaq.standards.stix import StixObject


class Readied(msgspec.Struct, tag=0, array_like=True, gc=False):
    """One object that can be read: its bytes, what is in them, and what it is found by.

    `tokens` are joined by `BETWEEN_TOKENS`, which stands in none: one text passes sooner than some forty.
    """

    body: bytes
    stix: StixObject
    tokens: str
    named: list[tuple[str, str, bool]]
    anchors: tuple[tuple[str, str], ...]


class Unreadable(msgspec.Struct, tag=1, array_like=True, gc=False):
    """One object that cannot be read, by its id or place."""

    name: str
    reason: Reason


class Broken(msgspec.Struct, tag=2, array_like=True, gc=False):
    """The bundle ends here: what follows cannot be read."""

    reason: Reason


BETWEEN_TOKENS: Final = "\n"
Told = Readied | Unreadable | Broken
BATCH_OBJECTS: Final = 200
BATCH_BYTES: Final = 1 << 20
"""A batch ends with the object that passes either."""

MAX_BATCH_BYTES: Final = 1 << 28
"""A longer one is no batch: of one object, its bytes and what was read of them stay far below."""

LENGTH_BYTES: Final = 4
"""Before each batch stands its length, big-endian."""

ENCODER: Final = msgspec.msgpack.Encoder()
DECODER: Final = msgspec.msgpack.Decoder(list[Told])
