"""What a constituent's MISP is told: heads of events, events, and the files of a feed, each judged now."""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection

from mithaq.exchange.misp import sighted, store
from mithaq.exchange.misp.catalogue import Catalogue, Organisation, stamp
from mithaq.exchange.misp.errors import BadMisp, UnknownEvent
from mithaq.exchange.misp.events import build
from mithaq.exchange.misp.model import Day, Head, Reader
from mithaq.exchange.misp.settings import CHUNK_ROWS
from mithaq.exchange.taxii.shelving import KINDS, READER
from mithaq.intelligence.foreign import original
from mithaq.intelligence.model import ForeignEvent
from mithaq.intelligence.service import Holdings
from mithaq.kernel import journal
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.reason import Reason
from mithaq.standards.misp import feed
from mithaq.standards.misp.labels import Way
from mithaq.standards.misp.numbers import is_number
from mithaq.standards.observable import recognise


@dataclass(frozen=True, slots=True)
class Refused:
    """A foreign event that does not go to a constituent, with all reasons."""

    event: ForeignEvent
    reasons: tuple[Reason, ...]


class Serving:
    """Use cases of reading; everything is asked anew each time."""

    def __init__(self, db: Database, own: NationId, name: str) -> None:
        self._db = db
        self._own = own
        self.organisation = Organisation.of(own, name)

    def catalogue(self, connection: Connection, reader: Reader, at: datetime) -> Catalogue:
        """Return what a reader gets in one view of the database."""
        return Catalogue(connection, self._own, self.organisation, reader, at)

    def heads(self, reader: Reader, at: datetime) -> list[Head]:
        """Return the heads of every event that a reader gets now, oldest change first.

        Cost: a few statements that count; no event is built, however large.
        """
        with self._db.read() as connection:
            found = self.catalogue(connection, reader, at).heads()
        return sorted(stamp(self._db, reader, found, at), key=lambda head: (head.timestamp, head.uuid))

    def event(self, reader: Reader, named: str, at: datetime, way: Way) -> tuple[Head, dict[str, Any]]:
        """Return one event with its head, by its uuid or its number.

        Raises:
            UnknownEvent: there is none, or it is not for this reader.
            BadMisp: several that this reader gets have the number.
        """
        with self._db.read() as connection:
            head = _head(self.catalogue(connection, reader, at), named.lower())
        if head is None:
            raise UnknownEvent("no such event", subject=named[:80])
        (stamped,) = stamp(self._db, reader, [head], at)
        found = list(self.events(reader, [stamped], at, way))
        if not found:
            raise UnknownEvent("no such event", subject=named[:80])
        return found[0]

    def events(
        self, reader: Reader, heads: Sequence[Head], at: datetime, way: Way
    ) -> Iterator[tuple[Head, dict[str, Any]]]:
        """Yield events of these heads, each built when it is asked for; one that is released no more is left out."""
        for head in heads:
            with self._db.read() as connection:
                catalogue = self.catalogue(connection, reader, at)
                if head.shelf not in catalogue.shelves:
                    continue
                made = build(catalogue, head, way)
            if made is not None:
                yield head, made

    def naming(self, heads: Sequence[Head], values: Sequence[str]) -> list[Head]:
        """Return the heads of events that may hold one of these values; what they hold is looked at afterwards.

        Own events are found by what is indexed of their objects, foreign ones by the text of their originals: not all
        that stands in a MISP event becomes an observable.
        """
        observables = [recognise(value) for value in values]
        needles = [_needle(value) for value in values]
        with self._db.read() as connection:
            known = Holdings(self._db).known(connection, [each for each in observables if each], ACTUAL)
            rows = sorted({row for each in known.values() for row in each})
            days, reports = store.events_of_rows(connection, rows) if all(observables) else (None, None)
            return [
                head
                for head in heads
                if (isinstance(head.source, Day) and (days is None or head.source in days))
                or (isinstance(head.source, int) and (reports is None or head.source in reports))
                or (isinstance(head.source, ForeignEvent) and _may_hold(original(connection, head.source), needles))
            ]

    def mentioning(self, heads: Sequence[Head], text: str) -> list[Head]:
        """Return the heads of foreign events in whose originals a text stands, in any case."""
        needle = text.lower().encode()
        with self._db.read() as connection:
            return [
                head
                for head in heads
                if isinstance(head.source, ForeignEvent) and _may_hold(original(connection, head.source), [needle])
            ]

    def sighted(self, reader: Reader, heads: Sequence[Head], at: datetime) -> dict[str, int]:
        """Return when events were sighted last, in seconds since 1970; those that were not are left out.

        All that were sighted have the newest of their times: it says when to ask for sightings again.
        """
        with self._db.read() as connection:
            rows = sighted.sighted(connection, list(self.catalogue(connection, reader, at).shelves))
            days: set[Day] = set()
            reports: set[int] = set()
            events: set[int] = set()
            for start in range(0, len(rows), CHUNK_ROWS):
                chunk = rows[start : start + CHUNK_ROWS]
                in_days, in_reports = store.events_of_rows(connection, [row.row for row in chunk])
                days, reports = days | in_days, reports | in_reports
                events |= store.events_of(connection, [row.stix_id for row in chunk])
        newest = max((int(row.at.timestamp()) for row in rows), default=0)
        return {head.uuid: newest for head in heads if _is_of(head, days, reports, events)}

    def owed(self) -> int:
        """Return the newest change that the shelves still have to follow, 0 for none."""
        with self._db.read() as connection:
            return journal.owed(connection, READER, KINDS)

    def is_followed(self, seq: int) -> bool:
        """Tell whether the shelves have followed a change."""
        with self._db.read() as connection:
            return journal.has_handled(connection, READER, seq)

    def refusals(self, constituent: str, at: datetime) -> list[Refused]:
        """Return the events that this nation may pass on and that do not go to a constituent: for people here alone."""
        with self._db.read() as connection:
            catalogue = self.catalogue(connection, Reader(constituent), at)
            return [Refused(event, reasons) for event, reasons in catalogue.refusals()]

    def hash_lines(self, reader: Reader, at: datetime) -> Iterator[str]:
        """Yield the lines of `hashes.csv`, event by event."""
        for _, event in self.events(reader, self.heads(reader, at), at, "feed"):
            yield from feed.hash_lines(event)


def demand_one(uuids: Collection[str]) -> None:
    """Let pass what is named by a number that nothing else has.

    Raises:
        BadMisp: something else has it too, and it is not said which is meant.
    """
    if len(uuids) > 1:
        raise BadMisp("several have this number: ask by uuid", subject=",".join(sorted(uuids))[:200])


def _head(catalogue: Catalogue, named: str) -> Head | None:
    if not is_number(named):
        return catalogue.head(named)
    found = [head for head in catalogue.heads() if head.number == named]
    demand_one({head.uuid for head in found})
    return next(iter(found), None)


def _is_of(head: Head, days: set[Day], reports: set[int], events: set[int]) -> bool:
    match head.source:
        case Day():
            return head.source in days
        case ForeignEvent():
            return head.source.id in events
        case row:
            return row in reports


def _needle(value: str) -> bytes:
    """Return the longest piece of a value that JSON writes in one way only."""
    return max(re.findall(r"[a-z0-9.-]+", value.lower()), key=len, default="").encode()


def _may_hold(body: bytes, needles: Sequence[bytes]) -> bool:
    lowered = body.lower()
    return any(needle in lowered for needle in needles)


def manifest(heads: Sequence[Head], digests: Mapping[str, str] | None = None) -> bytes:
    """Write the manifest of a feed; `digests` are the SHA-256 of the event files, where they are written too."""
    written = {
        head.uuid: feed.entry(head.as_json(), list(head.tags))
        | ({"integrity:sha256": digests[head.uuid]} if digests else {})
        for head in heads
    }
    return msgspec.json.encode(written)


def event_file(event: Mapping[str, Any]) -> bytes:
    """Write one event as it stands in a feed or in an answer."""
    return msgspec.json.encode({"Event": event})


def digest(body: bytes) -> str:
    """Return the SHA-256 of bytes, for a strong ETag or a manifest."""
    return hashlib.sha256(body).hexdigest()
