"""Import a STIX bundle: a stream of objects, each stored as the bytes it came in."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime

from mithaq.intelligence.errors import ConfinedFailed, TooMuch
from mithaq.intelligence.imports.confined.bundle_pieces import Broken, Unreadable
from mithaq.intelligence.imports.confined.bundle_reader import read_ahead
from mithaq.intelligence.imports.tally import Tally, reason_of
from mithaq.intelligence.model import ImportReport, ImportTerms, Indexed
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import AHEAD_FROM_BYTES, Door
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel.lane import Lane
from mithaq.kernel.memory import seldom_collected
from mithaq.standards import stix


def import_bundle(
    holdings: Holdings,
    source: bytes | stix.Readable,
    *,
    door: Door,
    terms: ImportTerms,
    warning_lists: WarningLists | None,
    at: datetime,
) -> ImportReport:
    """Store every acceptable object of a bundle, in transactions of at most 1000, under bounded memory.

    One bad object is refused with its reason and the rest goes on. Where the file itself is broken, or grows past
    the door's limit, what came before stays stored and `broken` says where it ended.

    Raises:
        BadBundle: nothing in it could be read at all.
        TooMuch: it is given whole and is larger than the door lets in.
    """
    if isinstance(source, bytes):
        if len(source) > door.max_bytes:
            raise _too_large(door)
        source = io.BytesIO(source)
    limited = Limited(source, door)
    tally = Tally(holdings, terms, warning_lists, at)
    read = 0
    with seldom_collected(), tally.beside():
        try:
            for place in _objects(tally, limited, terms.lane, door):
                read = place
                if read > door.max_objects:
                    raise _too_many(door)
        except (stix.BadBundle, TooMuch, ConfinedFailed) as error:
            if read == 0:
                raise
            return tally.report(broken=reason_of(error))
        return tally.report()


def _objects(tally: Tally, source: stix.Readable, lane: Lane, door: Door) -> Iterator[int]:
    """Give the tally each object of a bundle, and yield how many there were, before each is taken."""
    begun = _Begun(source, AHEAD_FROM_BYTES)
    if begun.is_whole:
        for count, piece in enumerate(stix.split_bundle(begun, max_object_bytes=door.max_object_bytes), 1):
            yield count
            if isinstance(piece, stix.Refused):
                tally.refuse(piece.id or f"#{piece.index}", piece.reason)
            else:
                tally.add(piece.body, piece.index)
        return
    count = 0
    for batch in read_ahead(begun, lane, door.max_object_bytes):
        tokens = batch.concordance().shares()
        for told in batch.told:
            if isinstance(told, Broken):
                error = stix.BadBundle(told.reason.message)
                error.params = dict(told.reason.params)
                raise error
            count += 1
            yield count
            if isinstance(told, Unreadable):
                tally.refuse(told.name, told.reason)
            else:
                tally.take(told.body, told.stix, Indexed(next(tokens), told.named, told.anchors))


class _Begun:
    """A source of which enough was read to know whether it is large; what it raised meanwhile comes in its place."""

    def __init__(self, source: stix.Readable, enough: int) -> None:
        start = bytearray()
        self._rest: stix.Readable | TooMuch = source
        try:
            while len(start) < enough and (block := source.read(enough - len(start))):
                start += block
        except TooMuch as error:
            self._rest = error
        self.is_whole = len(start) < enough
        self._start = io.BytesIO(bytes(start))

    def read(self, size: int, /) -> bytes:
        if block := self._start.read(size):
            return block
        if isinstance(self._rest, TooMuch):
            raise self._rest
        return self._rest.read(size)


class Limited:
    """Count what is read and stop at the door's limit.

    Raises:
        TooMuch: more was read than the door lets in.
    """

    def __init__(self, source: stix.Readable, door: Door) -> None:
        self._source = source
        self._door = door
        self._left = door.max_bytes

    def read(self, size: int, /) -> bytes:
        """Read on."""
        piece = self._source.read(size)
        self._left -= len(piece)
        if self._left < 0:
            raise _too_large(self._door)
        return piece


def _too_large(door: Door) -> TooMuch:
    return TooMuch("larger than the %(max)s bytes this door lets in", subject=door.name, max=door.max_bytes)


def _too_many(door: Door) -> TooMuch:
    return TooMuch("more than the %(max)s objects this door lets in", subject=door.name, max=door.max_objects)
