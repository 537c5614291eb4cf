"""Read a STIX bundle in a process that holds no keys and may not grow, spin or write files.

Started by `bundle_reader.py` as a program of its own: the bundle on standard input, batches of what was read on
standard output.
"""

from __future__ import annotations

import sys

from mithaq.intelligence.concordance import BETWEEN_TOKENS, listed
from mithaq.intelligence.imports.confined.bundle_pieces import (
    BATCH_BYTES,
    BATCH_OBJECTS,
    ENCODER,
    LENGTH_BYTES,
    Batch,
    Broken,
    Readied,
    Told,
    Unreadable,
)
from mithaq.intelligence.settings import CHUNK_OBJECTS
from mithaq.intelligence.tokens import anchor_keys, fixed_tokens, named_observables
from mithaq.kernel.confined import limit
from mithaq.kernel.lane import Lane
from mithaq.kernel.memory import seldom_collected
from mithaq.kernel.reason import Reason
from mithaq.standards import stix


def main() -> None:
    """Limit this process, then read and tell."""
    limit(int(sys.argv[1]), int(sys.argv[2]))
    telling = _Telling(Lane.parse(sys.argv[4]))
    with seldom_collected():
        try:
            for piece in stix.split_bundle(sys.stdin.buffer, max_object_bytes=int(sys.argv[3])):
                telling.tell(piece)
            telling.end_batch()
        except stix.BadBundle as error:
            telling.end_batch()
            telling.told.append(Broken(Reason(error.code, error.message, dict(error.params))))
            telling.end_batch()


class _Telling:
    """Tell what was read in batches, none of which goes on into the importer's next transaction."""

    def __init__(self, lane: Lane) -> None:
        self.told: list[Told] = []
        self._lane = lane
        self._tokens: list[frozenset[str]] = []
        self._size = 0
        self._room = CHUNK_OBJECTS

    def tell(self, piece: stix.Piece | stix.Refused) -> None:
        """Tell of one element of the bundle."""
        self.told.append(self._read(piece) if isinstance(piece, stix.Piece) else _refused(piece))
        if len(self._tokens) == self._room or len(self.told) >= BATCH_OBJECTS or self._size >= BATCH_BYTES:
            self.end_batch()

    def end_batch(self) -> None:
        """Write what was told."""
        readied = len(self._tokens)
        found = listed(enumerate(self._tokens))
        tokens = BETWEEN_TOKENS.join([token for token, _ in found]).decode()
        encoded = ENCODER.encode(Batch(self.told, readied, tokens, [places for _, places in found]))
        sys.stdout.buffer.write(len(encoded).to_bytes(LENGTH_BYTES, "big") + encoded)
        sys.stdout.buffer.flush()
        self.told, self._tokens, self._size = [], [], 0
        self._room = self._room - readied or CHUNK_OBJECTS

    def _read(self, piece: stix.Piece) -> Readied | Unreadable:
        self._size += len(piece.body)
        try:
            parsed = stix.parse_fields(stix.fields_of(piece.body))
        except stix.BadObject as error:
            return Unreadable(error.subject or f"#{piece.index}", Reason(error.code, error.message, dict(error.params)))
        self._tokens.append(fixed_tokens(parsed, self._lane))
        return Readied(piece.body, parsed, list(named_observables(parsed)), anchor_keys(parsed))


def _refused(piece: stix.Refused) -> Unreadable:
    return Unreadable(piece.id or f"#{piece.index}", piece.reason)


if __name__ == "__main__":
    main()
