"""Import a STIX bundle: a stream of objects, each stored as the bytes it came in."""

from __future__ import annotations

import io
from datetime import datetime

from mithaq.intelligence.errors import TooMuch
from mithaq.intelligence.imports.tally import Tally, reason_of
from mithaq.intelligence.model import ImportReport, ImportTerms
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import Door
from mithaq.intelligence.warninglists import WarningLists
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
    with seldom_collected():
        return _imported(Tally(holdings, terms, warning_lists, at), source, door)


def _imported(tally: Tally, source: stix.Readable, door: Door) -> ImportReport:
    limited = Limited(source, door)
    read = 0
    try:
        for piece in stix.split_bundle(limited, max_object_bytes=door.max_object_bytes):
            read += 1
            if read > door.max_objects:
                raise _too_many(door)
            if isinstance(piece, stix.Refused):
                tally.refuse(piece.id or f"#{piece.index}", piece.reason)
            else:
                tally.add(piece.body, piece.index)
    except (stix.BadBundle, TooMuch) as error:
        if read == 0:
            raise
        return tally.report(broken=reason_of(error))
    return tally.report()


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
