"""Read a STIX bundle in a process that holds no keys and may not grow, spin or write files.

Started by `bundle_reader.py` as a program of its own: the bundle on standard input, batches of what was read on
standard output.
"""

from __future__ import annotations

import sys

from mithaq.intelligence.imports.confined.bundle_pieces import (
    BATCH_BYTES,
    BATCH_OBJECTS,
    BETWEEN_TOKENS,
    ENCODER,
    LENGTH_BYTES,
    Broken,
    Readied,
    Told,
    Unreadable,
)
from mithaq.intelligence.tokens import anchor_keys, fixed_tokens, named_observables
from mithaq.kernel.confined import limit
from mithaq.kernel.lane import Lane
from mithaq.kernel.memory import seldom_collected
from mithaq.kernel.reason import Reason
from mithaq.standards import stix


def main() -> None:
    """Limit this process, then read and tell."""
    limit(int(sys.argv[1]), int(sys.argv[2]))
    max_object_bytes, lane = int(sys.argv[3]), Lane.parse(sys.argv[4])
    batch: list[Told] = []
    size = 0
    with seldom_collected():
        try:
            for piece in stix.split_bundle(sys.stdin.buffer, max_object_bytes=max_object_bytes):
                batch.append(_told(piece, lane))
                size += len(piece.body) if isinstance(piece, stix.Piece) else 0
                if len(batch) >= BATCH_OBJECTS or size >= BATCH_BYTES:
                    _write(batch)
                    batch, size = [], 0
        except stix.BadBundle as error:
            batch.append(Broken(Reason(error.code, error.message, dict(error.params))))
    _write(batch)


def _told(piece: stix.Piece | stix.Refused, lane: Lane) -> Told:
    if isinstance(piece, stix.Refused):
        return Unreadable(piece.id or f"#{piece.index}", piece.reason)
    try:
        parsed = stix.parse_fields(stix.fields_of(piece.body))
    except stix.BadObject as error:
        return Unreadable(error.subject or f"#{piece.index}", Reason(error.code, error.message, dict(error.params)))
    tokens = BETWEEN_TOKENS.join(fixed_tokens(parsed, lane))
    return Readied(piece.body, parsed, tokens, list(named_observables(parsed)), anchor_keys(parsed))


def _write(batch: list[Told]) -> None:
    encoded = ENCODER.encode(batch)
    sys.stdout.buffer.write(len(encoded).to_bytes(LENGTH_BYTES, "big") + encoded)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
