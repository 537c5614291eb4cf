"""Gather the index's parts: of a segment that a newer one has followed, each token gets one posting for all its rows.

A search then reads one posting for each token and segment, where there were up to sixteen. A chunk of tokens is
gathered in one transaction, so that a crash leaves some tokens gathered and others not, which every reader and writer
takes alike.
The token of every object is gathered last and says that the segment is done; nothing else is kept of how far it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Integer, bindparam, delete, func, select

from mithaq.intelligence import store
from mithaq.intelligence.postings import WHOLE, bits_in_segment, encode_whole
from mithaq.intelligence.tables import objects, postings
from mithaq.intelligence.tokens import EVERY
from mithaq.kernel.bulk import Bulk
from mithaq.kernel.database import Database, Transaction

_CHUNK_POSTINGS: Final = 1000
"""Postings read and replaced in one transaction: some 17 ms of processor time on SQLite's one writer."""

_CHUNK_TOKENS: Final = 200
_QUIET_ROWS: Final = 100
"""Objects that may have come in since the last look; a bulk import stores a thousand at a time."""

_EVERY: Final = EVERY.encode()
_OF_SEGMENT: Final = postings.c.segment == bindparam("of_segment")
_OF_TOKENS: Final = postings.c.token.in_(bindparam("tokens", expanding=True))
_NEWEST: Final = select(func.max(postings.c.segment))
_NEWEST_ROW: Final = select(func.max(objects.c.row))
_HELD: Final = select(func.count()).where(_OF_SEGMENT, postings.c.token == bindparam("of_token"))
_SCATTERED: Final = (
    select(postings.c.token, func.count().label("count"))
    .where(_OF_SEGMENT, postings.c.token > bindparam("after"))
    .group_by(postings.c.token)
    .having(func.count() > 1)
    .order_by(postings.c.token)
    .limit(bindparam("limit", type_=Integer))
)
_POSTINGS: Final = (
    select(postings.c.token, postings.c.part, postings.c.rows).where(_OF_SEGMENT, _OF_TOKENS).order_by(postings.c.token)
)
_DELETE: Final = delete(postings).where(_OF_SEGMENT, _OF_TOKENS)
_INSERT: Final = Bulk(postings, "segment", "token", "part", "rows")


class Gathering:
    """Follow the segments, oldest first; a token that only one part has stays where it is."""

    def __init__(self, db: Database, chunk_tokens: int = _CHUNK_TOKENS) -> None:
        self._db = db
        self._chunk_tokens = chunk_tokens
        self._segment = 0
        self._after = _EVERY
        self._newest_row = 0

    def is_quiet(self) -> bool:
        """Tell whether no bulk import has stored anything since this was last asked."""
        with self._db.read() as connection:
            newest = connection.scalar(_NEWEST_ROW) or 0
        came, self._newest_row = newest - self._newest_row, newest
        return came <= _QUIET_ROWS

    def step(self, at: datetime) -> bool:
        """Gather the next chunk of tokens; tell whether there was anything to do."""
        with self._db.read() as connection:
            if not self._find_segment(connection):
                return False
            asked = {"of_segment": self._segment, "after": self._after, "limit": self._chunk_tokens}
            tokens = _at_most(connection.execute(_SCATTERED, asked).all())
        with self._db.write(at) as tx:
            store.lock(tx)
            _gather(tx, self._segment, tokens or [_EVERY])
        self._after = tokens[-1] if tokens else _EVERY
        return True

    def _find_segment(self, connection: Connection) -> bool:
        """Go on to the next segment that is not done; tell whether there is one that a newer one has followed."""
        newest = connection.scalar(_NEWEST) or 0
        while self._segment < newest:
            if (connection.scalar(_HELD, {"of_segment": self._segment, "of_token": _EVERY}) or 0) > 1:
                return True
            self._segment, self._after = self._segment + 1, _EVERY
        return False


def _at_most(counted: Sequence[Any]) -> list[bytes]:
    """Return the first tokens that have not more postings together than a chunk may, but one at least."""
    tokens: list[bytes] = []
    total = 0
    for token, count in counted:
        total += count
        if tokens and total > _CHUNK_POSTINGS:
            break
        tokens.append(bytes(token))
    return tokens


def _gather(tx: Transaction, segment: int, tokens: Sequence[bytes]) -> None:
    """Put what there is of each token in a segment into one posting."""
    asked = {"of_segment": segment, "tokens": tokens}
    found: dict[bytes, int] = defaultdict(int)
    for token, part, stored in tx.connection.execute(_POSTINGS, asked).all():
        found[token] |= bits_in_segment(segment, part, stored)
    tx.execute(_DELETE, asked)
    _INSERT.insert(tx, [(segment, token, WHOLE, encode_whole(bits)) for token, bits in found.items()])
