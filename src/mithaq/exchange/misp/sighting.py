"""Sightings in MISP's words: a constituent's are STIX sightings or opinions in its own name, and come back in pages."""

import uuid as uuids
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final

import msgspec

from mithaq.exchange.misp import sighted, store
from mithaq.exchange.misp.catalogue import Catalogue
from mithaq.exchange.misp.errors import BadMisp, NotYours, UnknownEvent
from mithaq.exchange.misp.model import Reader
from mithaq.exchange.misp.serving import Serving, demand_one
from mithaq.exchange.misp.settings import CHUNK_ROWS, MAX_SIGHTINGS, MAX_VALUES, PAGE_SIGHTINGS
from mithaq.exchange.taxii.model import SPEC_VERSION, Asked, Shelf
from mithaq.exchange.taxii.posting import Posting, giver
from mithaq.intelligence.service import Holdings
from mithaq.kernel.database import Database
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.constituents.model import Account
from mithaq.standards.misp.foreign import attributes_of
from mithaq.standards.misp.mapping import uuid_of
from mithaq.standards.misp.numbers import is_number, number_of, of_number
from mithaq.standards.misp.parts import number
from mithaq.standards.misp.sightings import FALSE_POSITIVE, SEEN, instant_of, kind_of, source_of, stix_of
from mithaq.standards.observable import recognise
from mithaq.standards.stix import is_uuid, parse

_AT_ONCE: Final = 500
_OTHER_TYPE: Final = "only the types 0 (seen) and 1 (false positive) are kept here"


@dataclass(frozen=True, slots=True)
class Taken:
    """How many sightings were taken, and of the others by their uuids why not."""

    count: int
    refused: Mapping[str, str]


class Sightings:
    """Use cases about sightings; nothing is told or taken of what the asker may not know."""

    def __init__(self, db: Database, holdings: Holdings, posting: Posting, serving: Serving) -> None:
        self._db = db
        self._holdings = holdings
        self._posting = posting
        self._serving = serving

    def add(self, shelf: Shelf, account: Account, asked: Mapping[str, Any], about: str, at: datetime) -> Any:
        """Take a sighting (`type` 0) or a false positive (1) of an attribute's uuid or of values; return it.

        Raises:
            UnknownEvent: nothing of the kind was given to this constituent.
            BadMisp: it is neither, or of another type.
        """
        kind = str(asked.get("type", SEEN))
        if kind not in (SEEN, FALSE_POSITIVE):
            raise BadMisp(_OTHER_TYPE)
        uuid = self._attribute(Reader.of(account), about or str(asked.get("uuid", "")), at)
        values = asked.get("values", asked.get("value"))
        values = [values] if isinstance(values, str) else values
        if uuid:
            ids = [f"indicator--{uuid.lower()}"] if is_uuid(uuid) else []
        elif isinstance(values, list) and 0 < len(values) <= MAX_VALUES and all(isinstance(v, str) for v in values):
            ids = self._naming(values)
        else:
            raise BadMisp("a sighting names an attribute or a value")
        known = self._known(Reader.of(account), ids, at)
        if not known:
            raise UnknownEvent("no such attribute")
        made = [stix_of(f"{uuids.uuid4()}", each, kind, _when(asked, at), at, _source(asked)) for each in known]
        for why in self._post(shelf, account, made, at).values():
            raise NotYours("the sighting was refused: %(reason)s", reason=why)
        shown = [_shown(each, "") for each in made]
        return {"Sighting": shown[0] if len(shown) == 1 else shown}

    def of(self, reader: Reader, asked: Mapping[str, Any], context: str, at: datetime) -> list[dict[str, Any]]:
        """Return the sightings of events, or of attributes, that are known to a constituent, the earliest first.

        All of them, as MISP's pull asks for them; or, where `limit` or `page` is named, one page.

        Raises:
            BadMisp: it names too many, or none; or there are more than one answer holds.
        """
        named = asked.get("uuid", asked.get("id"))
        wanted = [named] if isinstance(named, str | int) else named
        if not isinstance(wanted, list) or len(wanted) > MAX_VALUES:
            raise BadMisp("sightings are asked for by the uuids of events or attributes")
        kind = str(asked["type"]) if asked.get("type") is not None else ""
        found = (each for each in self._of(reader, wanted, context, at) if kind in ("", each["type"]))
        if asked.get("limit") is None and asked.get("page") is None:
            every = list(islice(found, MAX_SIGHTINGS + 1))
            if len(every) > MAX_SIGHTINGS:
                raise BadMisp("there are more than %(max)s sightings: ask for them with limit and page",
                              max=MAX_SIGHTINGS)  # fmt: skip
            return [{"Sighting": each} for each in every]
        limit = max(1, min(number(asked.get("limit")) or PAGE_SIGHTINGS, MAX_SIGHTINGS))
        first = (max(1, number(asked.get("page")) or 1) - 1) * limit
        return [{"Sighting": each} for each in islice(found, first, first + limit)]

    def wanted(self, reader: Reader, event: str, value: Any, at: datetime) -> list[str]:
        """Return which of these sightings this constituent has not given yet, as a sighting or a false positive.

        Raises:
            UnknownEvent: the event is not there for it.
            BadMisp: it is no list of uuids.
        """
        if not isinstance(value, list):
            raise BadMisp("this is no list of sightings")
        self._indicators(reader, event, at)
        uuids_ = [str(each.get("uuid", "") if isinstance(each, dict) else each).lower() for each in value]
        given: set[str] = set()
        with self._db.read() as connection:
            for chunk in _chunks(uuids_, _AT_ONCE):
                ids = [f"{kind}--{uuid}" for uuid in chunk if is_uuid(uuid) for kind in sighted.SAYING]
                given |= {uuid_of(each) for each in sighted.said_by(connection, ids, giver(reader.constituent))}
        return [uuid for uuid in uuids_ if is_uuid(uuid) and uuid not in given]

    def save(self, shelf: Shelf, account: Account, event: str, value: Any, at: datetime) -> Taken:
        """Take sightings of the attributes of one event; of those that are not taken say why.

        Raises:
            UnknownEvent: the event is not there for this constituent.
            BadMisp: it is no list of sightings.
        """
        if not isinstance(value, list):
            raise BadMisp("this is no list of sightings")
        inside = set(self._indicators(Reader.of(account), event, at)[1])
        made: list[dict[str, Any]] = []
        refused: dict[str, str] = {}
        for place, each in enumerate(value):
            given = each.get("Sighting", each) if isinstance(each, dict) else None
            given = given if isinstance(given, dict) else {}
            uuid, about = str(given.get("uuid", "")), f"indicator--{str(given.get('attribute_uuid', '')).lower()}"
            kind = str(given.get("type", SEEN))
            if not is_uuid(uuid):
                refused[f"#{place}"] = "a sighting needs a uuid"
            elif kind not in (SEEN, FALSE_POSITIVE):
                refused[uuid] = _OTHER_TYPE
            elif about not in inside:
                refused[uuid] = "it is of no attribute of this event"
            else:
                made.append(stix_of(uuid.lower(), about, kind, _when(given, at), at, _source(given)))
        refused |= self._post(shelf, account, made, at)
        return Taken(len(value) - len(refused), refused)

    def take_back(self, shelf: Shelf, uuid: str, at: datetime) -> None:
        """Take back a sighting or false positive that this constituent gave.

        Raises:
            UnknownEvent: it gave none of this uuid.
        """
        every = Asked(spec_versions=frozenset({SPEC_VERSION}), words=frozenset({"all"}))
        if not is_uuid(uuid.lower()) or not any(
            self._posting.take_back(shelf, f"{kind}--{uuid.lower()}", every, at) for kind in ("sighting", "opinion")
        ):
            raise UnknownEvent("no such sighting", subject=uuid[:80])

    def _post(self, shelf: Shelf, account: Account, made: Sequence[Mapping[str, Any]], at: datetime) -> dict[str, str]:
        """Post what was made; return by their uuids why some were refused."""
        refused: dict[str, str] = {}
        for chunk in _chunks(made, CHUNK_ROWS):
            body = msgspec.json.encode({"objects": chunk})
            status = msgspec.json.decode(self._posting.post(shelf, account, body, at))
            refused |= {uuid_of(each["id"]): each.get("message", "") for each in status.get("failures", ())}
        return refused

    def _naming(self, values: Sequence[str]) -> list[str]:
        observables = [found for value in values if (found := recognise(value)) is not None]
        with self._db.read() as connection:
            rows = sorted(
                {row for rows in self._holdings.known(connection, observables, ACTUAL).values() for row in rows}
            )
            return [each.stix.id for each in self._holdings.rows(connection, rows) if each.stix.type == "indicator"]

    def _known(self, reader: Reader, ids: Sequence[str], at: datetime) -> list[str]:
        """Return which of these objects are released to a constituent now."""
        with self._db.read() as connection:
            catalogue = self._catalogue(connection, reader, at)
            return sorted({row.stix_id for row in _released(catalogue, ids=ids)})

    def _indicators(self, reader: Reader, named: str, at: datetime) -> tuple[str, list[str]]:
        """Return the uuid of an event, and the indicators behind its attributes."""
        head, event = self._serving.event(reader, named, at, "feed")
        return head.uuid, [f"indicator--{str(each.get('uuid', '')).lower()}" for each in attributes_of(event)]

    def _attribute(self, reader: Reader, named: str, at: datetime) -> str:
        """Return the uuid of an attribute that may be named by its number.

        Raises:
            UnknownEvent: no indicator on this reader's shelves has the number.
            BadMisp: several have it.
        """
        if not is_number(named):
            return named.lower()
        with self._db.read() as connection:
            shelves = list(self._catalogue(connection, reader, at).shelves)
            found = set(of_number(map(uuid_of, sighted.indicators(connection, shelves)), named))
        demand_one(found)
        for uuid in found:
            return uuid
        raise UnknownEvent("no such attribute", subject=named)

    def _of(self, reader: Reader, wanted: Sequence[Any], context: str, at: datetime) -> Iterator[dict[str, Any]]:
        """Yield the sightings of events or attributes, read as they are asked for."""
        for each in wanted:
            if context == "event":
                event, ids = self._indicators(reader, str(each), at)
            else:
                event, ids = "", [f"indicator--{self._attribute(reader, str(each), at)}"]
            with self._db.read() as connection:
                catalogue = self._catalogue(connection, reader, at)
                for chunk in _chunks(ids, _AT_ONCE):
                    for fields in _said(catalogue, chunk):
                        yield _shown(fields, event)

    def _catalogue(self, connection: Any, reader: Reader, at: datetime) -> Catalogue:
        return self._serving.catalogue(connection, reader, at)


def _chunks(found: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (found[start : start + size] for start in range(0, len(found), size))


def _said(catalogue: Catalogue, about: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield what sightings and false positives of some objects say, as far as they are released now."""
    after = 0
    while True:
        rows = sighted.said(catalogue.connection, list(catalogue.shelves), about, after, CHUNK_ROWS)
        found = (msgspec.json.decode(bytes(each.body)) for each in _released(catalogue, rows=rows))
        yield from (each for each in found if kind_of(each))
        if len(rows) < CHUNK_ROWS:
            return
        after = rows[-1]


def _released(catalogue: Catalogue, *, ids: Sequence[str] = (), rows: Sequence[int] = ()) -> list[Any]:
    """Return objects, by id or by row, that stand on the constituent's shelves and are released now."""
    found = []
    for shelf in catalogue.shelves.values():
        standing = store.standing(catalogue.connection, shelf.id, ids, rows)
        refs = [parse(bytes(row.body)).refs for row in standing]
        decided = catalogue.judge.decide(catalogue.judge.items(standing), refs, shelf)
        found += [row for row, each in zip(standing, decided, strict=True) if each is not None]
    return sorted({row.row: row for row in found}.values(), key=lambda row: row.row)


def _shown(fields: Mapping[str, Any], event: str) -> dict[str, Any]:
    about = str(fields.get("sighting_of_ref") or next(iter(fields.get("object_refs", [""]))))
    seen = str(fields.get("last_seen") or fields["created"])
    return {
        "id": number_of(uuid_of(str(fields["id"]))),
        "uuid": uuid_of(str(fields["id"])),
        "attribute_id": number_of(uuid_of(about)),
        "attribute_uuid": uuid_of(about),
        "event_id": number_of(event) if event else "0",
        **({"event_uuid": event} if event else {}),
        "date_sighting": str(int(datetime.fromisoformat(seen).timestamp())),
        "source": source_of(fields),
        "type": kind_of(fields),
    }


def _source(asked: Mapping[str, Any]) -> str:
    """Return what saw it, as MISP's `source` says; anything but a text says nothing."""
    source = asked.get("source")
    return source if isinstance(source, str) else ""


def _when(asked: Mapping[str, Any], at: datetime) -> datetime:
    """Return when something was seen, never later than now."""
    return min(at, instant_of(asked.get("date_sighting", asked.get("timestamp"))) or at)
