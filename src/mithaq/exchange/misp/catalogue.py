"""Which events a reader gets at this instant: their heads, without building one of them.

Own objects are counted by class: the gate is asked what it says of each label on each shelf, and SQL counts. What then
leaves in an event is decided object by object (`events`).
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from mithaq.exchange.misp import store
from mithaq.exchange.misp.model import MAPPING, Day, Head, Reader, label_tags
from mithaq.exchange.sources.model import PREFIX as SOURCE
from mithaq.exchange.taxii.judging import Judge
from mithaq.exchange.taxii.model import PREFIX, Shelf
from mithaq.exchange.taxii.settings import CHUNK_ROWS
from mithaq.exchange.taxii.shelving import EVENTS
from mithaq.exchange.taxii.store import shelves_of
from mithaq.intelligence.foreign import object_ids, of_row, of_uuid
from mithaq.intelligence.indicators import identity_id
from mithaq.intelligence.model import ForeignEvent
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.reason import Reason
from mithaq.standards.misp.foreign import contradiction, missing_labels
from mithaq.standards.misp.labels import tag_names
from mithaq.standards.misp.mapping import uuid_of
from mithaq.standards.pap import Pap
from mithaq.standards.stix import parse
from mithaq.standards.tlp import Tlp

NOT_WHOLE: Final = Reason(
    "misp-not-whole",
    "%(missing)s of the %(size)s objects converted from the event are not released to this constituent",
    remedy="state its TLP and PAP where it is imported or fetched, if it names none: --tlp, --pap",
)
_HIDDEN: Final = Reason("misp-hidden-reference", "the event refers to an object that this constituent may not know")


@dataclass(frozen=True, slots=True)
class Organisation:
    """This nation's CERT as MISP names an organisation."""

    name: str
    uuid: str

    @staticmethod
    def of(nation: NationId, name: str) -> "Organisation":
        """Return it with the uuid of its STIX identity."""
        return Organisation(name, uuid_of(identity_id(nation)))

    def as_json(self) -> dict[str, str]:
        """Return it as MISP's `Orgc`."""
        return {"name": self.name, "uuid": self.uuid}


class Catalogue:
    """The events of one reader in one view of the database at one instant; short-lived."""

    def __init__(
        self, connection: Connection, own: NationId, organisation: Organisation, reader: Reader, at: datetime
    ) -> None:
        self.connection = connection
        self.own = own
        self.organisation = organisation
        self.reader = reader
        self.at = at
        self.judge = Judge(connection, own, at)
        shelves = shelves_of(connection, reader.constituent, reader.collection)
        self.shelves = {shelf.id: shelf for shelf in shelves if shelf.collection.can_read}
        labels = [(tlp, pap) for tlp in Tlp for pap in Pap]
        self._classes = {
            shelf.id: [store.class_of(shelf.id, *label) for label in labels if self.judge.allows(shelf, *label)]
            for shelf in self.shelves.values()
        }
        self._vetoed = sorted(self.judge.vetoed(next(iter(self.shelves.values())))) if self.shelves else []

    def asked(self, only: int | None = None, **more: Any) -> dict[str, Any]:
        """Return what the statements ask with: shelves, classes that pass, vetoed ids."""
        chosen = list(self.shelves) if only is None else [only]
        classes = [each for one in chosen for each in self._classes[one]]
        return {"shelves": chosen, "classes": classes, "vetoed": self._vetoed, "at": self.at, **more}

    def heads(self) -> list[Head]:
        """Return the heads of all events; own ones without a timestamp as yet."""
        if not self.shelves:
            return []
        found = [*self._days(), *self._reports(), *self._foreign(), *self._posted()]
        return list({head.uuid: head for head in reversed(found)}.values())

    def head(self, uuid: str) -> Head | None:
        """Return the head of one event, None where there is none for this reader."""
        if not self.shelves:
            return None
        events = of_uuid(self.connection, uuid, ACTUAL)
        found = [
            *self._foreign([event for event in events if self.is_ours(event)]),
            *(head for event in events for head in self._posted(event)),
            *self._reports(uuid),
        ]
        return next(iter(found), None) or next((day for day in self._days() if day.uuid == uuid), None)

    def refusals(self) -> Iterator[tuple[ForeignEvent, tuple[Reason, ...]]]:
        """Yield the events that do not go out, with all reasons, once for each who gave them.

        For people here and for nobody else. An event of which one giver's version goes out is none of them.
        """
        counted = {shelf.id: {row.event: row for row in self._counted(shelf)} for shelf in self.shelves.values()}
        refused: dict[str, list[tuple[ForeignEvent, tuple[Reason, ...]]]] = {}
        for row in store.newest_events(self.connection, self.own, SOURCE):
            event = of_row(row)
            refused.setdefault(event.uuid, []).append((event, self._against(event, counted)))
        for versions in refused.values():
            if all(reasons for _, reasons in versions):
                yield from versions

    def is_ours(self, event: ForeignEvent) -> bool:
        """Tell whether this nation imported or fetched an event, and may pass it on as its own word."""
        return event.nation == self.own or event.nation.startswith(SOURCE)

    def _against(self, event: ForeignEvent, counted: Mapping[int, Mapping[int, Any]]) -> tuple[Reason, ...]:
        """Say why an event does not go to this reader; nothing where it goes on some shelf."""
        best: tuple[Reason, ...] = ()
        for shelf in self.shelves.values():
            reasons = self._reasons(event, shelf, counted[shelf.id].get(event.id))
            if not reasons:
                return ()
            best = best or reasons
        return best or self._reasons(event, None, None)

    def _days(self) -> Iterator[Head]:
        present = {_day(row): row for row in store.days(self.connection, self.asked())}
        removed = {_day(row): row for row in store.gone_days(self.connection, self.asked())}
        for key in sorted({*present, *removed}, key=lambda each: (each.day, each.tlp, each.pap)):
            counted = [row for row in (present.get(key), removed.get(key)) if row is not None]
            is_there, is_gone = present.get(key), removed.get(key)
            marks = [_mark(is_there), [is_gone.count, is_gone.newest] if is_gone is not None else None]
            yield Head(
                uuid=key.uuid(self.organisation.uuid),
                kind="day",
                info=f"{self.organisation.name}: {key.date}, {key.tlp.label}, {key.pap.label}",
                date=key.date,
                orgc=self.organisation.as_json(),
                tlp=key.tlp,
                pap=key.pap,
                tags=label_tags(key.tlp, key.pap),
                shelf=counted[0].shelf,
                source=key,
                fingerprint=_fingerprint(marks),
            )

    def _reports(self, uuid: str | None = None) -> Iterator[Head]:
        seen: set[str] = set()
        ids = None if uuid is None else [f"{kind}--{uuid}" for kind in sorted(EVENTS)]
        rows = list(store.reports(self.connection, self.asked(), ids))
        counted: dict[int, Any] = {}
        for start in range(0, len(rows), CHUNK_ROWS):
            chunk = [row.row for row in rows[start : start + CHUNK_ROWS]]
            counted |= store.referred(self.connection, self.asked(reports=chunk))
        for shelf in self.shelves.values():
            mine = [row for row in rows if row.shelf == shelf.id]
            parsed = [parse(bytes(row.body)) for row in mine]
            decided = self.judge.decide(self.judge.items(mine), [each.refs for each in parsed], shelf)
            for row, stix, released in zip(mine, parsed, decided, strict=True):
                if released is None or stix.revoked or stix.id in seen:
                    continue
                seen.add(stix.id)
                known = counted.get(row.row)
                own_pap = Pap.RED if row.pap is None else row.pap
                tlp, pap = Tlp(max(row.tlp, known.tlp if known else 0)), Pap(max(own_pap, known.pap if known else 0))
                yield Head(
                    uuid=uuid_of(stix.id),
                    kind="report",
                    info=stix.name or stix.id,
                    date=(stix.created or self.at).date().isoformat(),
                    orgc=self.organisation.as_json(),
                    tlp=tlp,
                    pap=pap,
                    tags=label_tags(tlp, pap),
                    shelf=shelf.id,
                    source=row.row,
                    fingerprint=_fingerprint([row.row, [*(_mark(known) or ()), tlp, pap] if known else None]),
                )

    def _foreign(self, only: Sequence[ForeignEvent] | None = None) -> Iterable[Head]:
        """Return the events that were imported or fetched, each once: the newest version that goes out of any giver."""
        rows = () if only is not None else store.newest_events(self.connection, self.own, SOURCE)
        events = {event.id: event for event in (map(of_row, rows) if only is None else only)}
        seen: set[int] = set()
        found: dict[str, tuple[tuple[int, bool, int], Head]] = {}
        for shelf in self.shelves.values() if events else ():
            for row in self._counted(shelf, only):
                event = events[row.event]
                if event.id in seen or self._reasons(event, shelf, row):
                    continue
                seen.add(event.id)
                rank = (event.timestamp, event.nation == self.own, event.id)
                if event.uuid not in found or found[event.uuid][0] < rank:
                    found[event.uuid] = rank, _foreign_head(event, Tlp(row.tlp), Pap(row.pap), shelf)
        return [head for _, head in found.values()]

    def _posted(self, only: ForeignEvent | None = None) -> Iterator[Head]:
        """Yield the events that this constituent posted itself, which go back to it alone."""
        giver = PREFIX + self.reader.constituent
        rows = () if only else store.newest_events(self.connection, giver)
        for event in [only] if only else [of_row(row) for row in rows]:
            if event.nation != giver:
                continue
            for shelf in self.shelves.values():
                labels = released_labels(self, event, shelf) if not event.objections else None
                if labels is not None:
                    yield _foreign_head(event, *labels, shelf)
                    break

    def _counted(self, shelf: Shelf, only: Sequence[ForeignEvent] | None = None) -> Sequence[Any]:
        asked = self.asked(shelf.id, shelf=shelf.id, nation=self.own, prefix=SOURCE)
        return store.whole_events(self.connection, asked, None if only is None else [event.id for event in only])

    def _reasons(self, event: ForeignEvent, shelf: Shelf | None, row: Any | None) -> tuple[Reason, ...]:
        found = list(event.objections)
        missing = event.size - (row.parts if row is not None else 0)
        if missing:
            counts: dict[str, str | int] = {"missing": missing, "size": event.size}
            found.append(Reason(NOT_WHOLE.code, NOT_WHOLE.message, counts, NOT_WHOLE.remedy))
        if row is not None and (differs := contradiction(tag_names(event.head["Tag"]), Tlp(row.tlp), Pap(row.pap))):
            found.append(differs)
        if shelf is not None and event.outside and self.judge.hidden(event.outside, shelf):
            found.append(_HIDDEN)
        return tuple(found)


def released_labels(catalogue: Catalogue, event: ForeignEvent, shelf: Shelf) -> tuple[Tlp, Pap] | None:
    """Decide about every object of a foreign event on a shelf; return the strictest labels if all are released.

    Cost: a chunk of objects in memory at a time.
    """
    tlps, paps, present = {Tlp.CLEAR}, {Pap.CLEAR}, set()
    after, is_ours = 0, catalogue.is_ours(event)
    while True:
        rows = store.parts(catalogue.connection, event.id, shelf.id, after, CHUNK_ROWS, is_ours=is_ours)
        refs = [parse(bytes(row.body)).refs for row in rows]
        decided = catalogue.judge.decide(catalogue.judge.items(rows), refs, shelf)
        if any(each is None for each in decided):
            return None
        tlps |= {Tlp(row.tlp) for row in rows}
        paps |= {Pap.RED if row.pap is None else Pap(row.pap) for row in rows}
        present |= {row.stix_id for row in rows}
        if len(rows) < CHUNK_ROWS:
            break
        after = rows[-1].row
    if present != object_ids(catalogue.connection, event.id):
        return None
    return max(tlps), max(paps)


def stamp(db: Database, reader: Reader, heads: Sequence[Head], at: datetime) -> list[Head]:
    """Give each own event its timestamp: a new one where it holds something else than when it was last told of.

    Cost: one look-up, and a write where something changed.
    """
    with db.read() as connection:
        known = store.stamped(connection, reader.key)
    if any(head.fingerprint and known.get(head.uuid, ("",))[0] != head.fingerprint for head in heads):
        with db.write(at) as tx:
            known = store.stamped(tx.connection, reader.key)
            fresh: dict[str, tuple[str, int]] = {}
            for head in heads:
                fingerprint, last = known.get(head.uuid, ("", 0))
                if head.fingerprint and fingerprint != head.fingerprint:
                    fresh[head.uuid] = (head.fingerprint, max(int(at.timestamp()), last + 1))
            store.stamp(tx, reader.key, fresh)
            known |= fresh
    return [head.at(known[head.uuid][1]) if head.fingerprint else head for head in heads]


def _foreign_head(event: ForeignEvent, tlp: Tlp, pap: Pap, shelf: Shelf) -> Head:
    head = event.head
    return Head(
        uuid=event.uuid,
        kind="foreign",
        info=str(head.get("info", "")),
        date=str(head.get("date", "")),
        orgc=head["Orgc"],
        tlp=tlp,
        pap=pap,
        tags=(*head["Tag"], *missing_labels(tag_names(head["Tag"]), tlp, pap)),
        shelf=shelf.id,
        source=event,
        timestamp=event.timestamp,
        analysis=str(head.get("analysis", "0")),
        threat_level_id=str(head.get("threat_level_id", "4")),
    )


def _day(row: Any) -> Day:
    return Day(row.day, Tlp(row.tlp), Pap(row.pap))


def _mark(counted: Any | None) -> list[int] | None:
    """Return what changes when the objects behind an event do, or when one of them is over."""
    if counted is None:
        return None
    return [counted.count, counted.newest, *([counted.over] if counted.over else [])]


def _fingerprint(marks: Any) -> str:
    return hashlib.sha256(msgspec.json.encode([MAPPING, marks])).hexdigest()[:32]
