"""What a partner's MISP saw: sightings of the attributes of its events, event group by event group and page by page.

They are never asked for in one answer, which at a large server has gigabytes. Each stands as the source's word, at
least as strictly labelled as the indicator that was sighted, under an id that follows from its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, bindparam, select

from mithaq.exchange.sources import settings
from mithaq.exchange.sources.batch import Batch
from mithaq.exchange.sources.errors import SourceFailed, SourceTooLarge, SourceUnreadable
from mithaq.exchange.sources.model import Source, Unfit
from mithaq.exchange.sources.taxii_server import demand_ok
from mithaq.exchange.sources.web import Asking
from mithaq.intelligence import foreign
from mithaq.intelligence.imports.tally import reason_of
from mithaq.intelligence.model import ImportTerms
from mithaq.intelligence.tables import objects, provenance
from mithaq.kernel import canonical
from mithaq.kernel.database import Database
from mithaq.kernel.reason import Reason
from mithaq.standards.misp.sightings import FALSE_POSITIVE, SEEN, instant_of, stix_of
from mithaq.standards.pap import Pap
from mithaq.standards.stix import is_uuid
from mithaq.standards.tlp import Tlp

_JSON: Final = {"Accept": "application/json", "Content-Type": "application/json"}
_NOT_ONE: Final = Reason("misp-sighting", "a sighting names no attribute, no uuid, or no time that has been")
_NOT_GIVEN: Final = Reason("misp-no-sightings", "it gives this node no sightings: status %(status)s")
_STANDING: Final = (
    select(objects.c.stix_id, objects.c.tlp, objects.c.pap)
    .join(provenance, provenance.c.object == objects.c.row)
    .where(
        objects.c.stix_id.in_(bindparam("ids", expanding=True)),
        objects.c.lane == bindparam("lane"),
        objects.c.stands,
        provenance.c.nation == bindparam("giver"),
        provenance.c.standing == "stands",
    )
)
_Labels = tuple[int, int | None]


class _Answer(msgspec.Struct):
    response: list[Any]


_ANSWER: Final = msgspec.json.Decoder(_Answer)


@dataclass(frozen=True, slots=True)
class _Sighted:
    """One sighting: its uuid, the attribute and the event it names, when, and whether it was a false positive."""

    uuid: str
    attribute: str
    event: str
    kind: str
    at: datetime


class Sighting:
    """Ask one server, in one run."""

    def __init__(self, web: Asking, source: Source, folder: str, db: Database, at: datetime) -> None:
        self._web = web
        self._source = source
        self._address = f"{folder}sightings/restSearch/event"
        self._db = db
        self._at = at
        self._lost = 0

    def of(self, uuids: Sequence[str]) -> Iterator[Batch]:
        """Yield the sightings of these events, page by page; of fewer events at once where an answer is too large.

        Raises:
            NotGiven: the server gives none.
            SourceFailed, SourceUnreadable, SourceUnreachable, SourceBrokenOff: what it did instead.
        """
        known: set[str] = set()
        page = 1
        while True:
            try:
                found = self._ask(uuids, page)
            except (SourceTooLarge, SourceFailed) as error:
                if isinstance(error, SourceFailed) and error.status != 404:
                    raise
                yield from self._fewer(uuids, error)
                return
            self._lost = 0
            new = [each for each in found if (uuid := _uuid(each)) == "" or uuid not in known]
            known.update(map(_uuid, new))
            yield from self._batches(new)
            if len(found) != settings.SIGHTINGS_PAGE or not new:
                return  # the last page, or a server that knows of no pages
            page += 1

    def _fewer(self, uuids: Sequence[str], error: SourceTooLarge | SourceFailed) -> Iterator[Batch]:
        if len(uuids) > 1:
            half = len(uuids) // 2
            yield from self.of(uuids[:half])
            yield from self.of(uuids[half:])
        elif isinstance(error, SourceTooLarge):
            yield Batch(unfit=[Unfit(uuids[0], b"", reason_of(error), "event")])
        else:  # the event went away meanwhile; or there are no sightings at all behind this address
            self._lost += 1
            if self._lost > settings.MAX_LOST_SIGHTINGS:
                raise NotGiven(404)

    def _ask(self, uuids: Sequence[str], page: int) -> list[Any]:
        asked = {
            "returnFormat": "json",
            "includeUuid": True,
            "uuid": list(uuids),
            "limit": settings.SIGHTINGS_PAGE,
            "page": page,
        }
        question = msgspec.json.encode(asked)
        answer = self._web.get(self._address, max_bytes=settings.PAGE_BYTES, headers=_JSON, question=question)
        if answer.status in {403, 405}:
            raise NotGiven(answer.status)
        body = demand_ok(answer, self._at).body
        try:
            return _ANSWER.decode(body.removeprefix(b"\xef\xbb\xbf")).response
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise SourceUnreadable("its sightings are no JSON list", private=type(error).__name__) from error

    def _batches(self, found: Sequence[Any]) -> Iterator[Batch]:
        """Yield what is to be stored, one batch for each label."""
        read = [_read(each, self._at) for each in found]
        unfit = [
            Unfit(_uuid(each) or "sighting", _bytes(each), _NOT_ONE)
            for each, one in zip(found, read, strict=True)
            if one is None
        ]
        by_labels: dict[_Labels, list[bytes]] = {}
        sighted = [each for each in read if each is not None and each.kind in (SEEN, FALSE_POSITIVE)]
        with self._db.read() as connection:
            for each, about, labels in self._indicators(connection, sighted):
                body = canonical.dumps(stix_of(each.uuid, about, each.kind, each.at, each.at))
                by_labels.setdefault(labels, []).append(body)
        if unfit:
            yield Batch(unfit=unfit)
        for labels, bodies in by_labels.items():
            yield Batch(bodies, terms=self._terms(labels))

    def _terms(self, labels: _Labels) -> ImportTerms:
        tlp, pap = labels
        return replace(self._source.import_terms(), tlp=Tlp(tlp), pap=None if pap is None else Pap(pap))

    def _indicators(
        self, connection: Connection, sighted: Sequence[_Sighted]
    ) -> Iterator[tuple[_Sighted, str, _Labels]]:
        """Yield each sighting with the indicator that came of its attribute; one of anything else is passed over."""
        direct = self._held(connection, {f"indicator--{each.attribute}" for each in sighted})
        others = [each for each in sighted if f"indicator--{each.attribute}" not in direct]
        inside: dict[str, str] = {}
        for uuid in sorted({each.event for each in others if each.event}):
            inside |= self._objects_in(connection, uuid)
        direct |= self._held(connection, set(inside.values()))
        for each in sighted:
            for about in (f"indicator--{each.attribute}", inside.get(each.attribute, "")):
                if about in direct:
                    yield each, about, direct[about]
                    break

    def _held(self, connection: Connection, ids: set[str]) -> dict[str, _Labels]:
        """Return the labels of those objects that stand as this source's word."""
        if not ids:
            return {}
        asked = {"ids": sorted(ids), "lane": str(self._source.terms.lane), "giver": self._source.giver}
        return {row.stix_id: (row.tlp, row.pap) for row in connection.execute(_STANDING, asked)}

    def _objects_in(self, connection: Connection, uuid: str) -> Mapping[str, str]:
        """Return, for the attributes inside the objects of an event as it came, the indicator of the object."""
        for event in foreign.of_uuid(connection, uuid, self._source.terms.lane):
            if event.nation == self._source.giver:
                try:
                    return _indicators_of_objects(foreign.members(connection, event))
                except (LookupError, msgspec.DecodeError):
                    return {}
        return {}


class NotGiven(Exception):
    """The server gives this node no sightings."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.reason = Reason(_NOT_GIVEN.code, _NOT_GIVEN.message, {"status": status})


def _indicators_of_objects(event: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for each in _dicts(event.get("Object")):
        for attribute in _dicts(each.get("Attribute")):
            found[str(attribute.get("uuid", "")).lower()] = f"indicator--{str(each.get('uuid', '')).lower()}"
    return found


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _fields(value: Any) -> Mapping[str, Any]:
    given = value.get("Sighting", value) if isinstance(value, dict) else {}
    return given if isinstance(given, dict) else {}


def _uuid(value: Any) -> str:
    return str(_fields(value).get("uuid", "")).lower()[:80]


def _bytes(value: Any) -> bytes:
    return msgspec.json.encode(value)


def _read(value: Any, at: datetime) -> _Sighted | None:
    """Read one sighting; None where it names no attribute, or a time that is still to come."""
    fields, uuid = _fields(value), _uuid(value)
    attribute = str(fields.get("attribute_uuid", "")).lower()
    seen = instant_of(fields.get("date_sighting"))
    if not is_uuid(uuid) or not is_uuid(attribute) or seen is None or seen > at:
        return None
    return _Sighted(uuid, attribute, str(fields.get("event_uuid", "")).lower(), str(fields.get("type", SEEN)), seen)
