"""Sightings in MISP's words: a constituent's are STIX sightings or opinions in its own name, and come back in pages."""

import uuid as uuids
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from mithaq.exchange.misp import store
from mithaq.exchange.misp.catalogue import Catalogue
from mithaq.exchange.misp.errors import BadMisp, UnknownEvent
from mithaq.exchange.misp.model import Reader
from mithaq.exchange.misp.serving import Serving
from mithaq.exchange.misp.settings import MAX_SIGHTINGS, MAX_VALUES
from mithaq.exchange.taxii.model import SPEC_VERSION, Asked, Shelf
from mithaq.exchange.taxii.posting import Posting, giver
from mithaq.intelligence.comments import said_of
from mithaq.intelligence.service import Holdings
from mithaq.kernel.database import Database
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.constituents.model import Account
from mithaq.standards.misp.foreign import attributes_of
from mithaq.standards.misp.mapping import uuid_of
from mithaq.standards.misp.parts import number
from mithaq.standards.misp.sightings import FALSE_POSITIVE, SEEN, instant_of, stix_of
from mithaq.standards.observable import recognise
from mithaq.standards.stix import is_uuid, parse

_AT_ONCE: Final = 500


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
            raise BadMisp("a sighting is of type 0 or 1")
        uuid = about or str(asked.get("uuid", ""))
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
        made = [stix_of(f"{uuids.uuid4()}", each, kind, _when(asked, at), at) for each in known]
        self._post(shelf, account, made, at)
        shown = [_shown(each, "") for each in made]
        return {"Sighting": shown[0] if len(shown) == 1 else shown}

    def of(self, reader: Reader, asked: Mapping[str, Any], context: str, at: datetime) -> list[dict[str, Any]]:
        """Return one page of the sightings of events, or of attributes, that are known to a constituent.

        Cost: at most `MAX_SIGHTINGS` in an answer, whatever was sighted how often; `page` asks for the next.

        Raises:
            BadMisp: it names too many, or none.
        """
        named = asked.get("uuid", asked.get("id"))
        wanted = [named] if isinstance(named, str) else named
        if not isinstance(wanted, list) or len(wanted) > MAX_VALUES:
            raise BadMisp("sightings are asked for by the uuids of events or attributes")
        found: list[dict[str, Any]] = []
        for each in wanted:
            uuid = str(each).lower()
            ids = [f"indicator--{uuid}"] if context == "attribute" else self._indicators(reader, uuid, at)
            found += self._said(reader, ids, uuid if context == "event" else "", at)
        limit = max(1, min(number(asked.get("limit")) or MAX_SIGHTINGS, MAX_SIGHTINGS))
        first = (max(1, number(asked.get("page")) or 1) - 1) * limit
        return [{"Sighting": each} for each in found[first : first + limit]]

    def wanted(self, reader: Reader, event: str, value: Any, at: datetime) -> list[str]:
        """Return which of these sightings this constituent has not given yet.

        Raises:
            UnknownEvent: the event is not there for it.
            BadMisp: it is no list of uuids.
        """
        if not isinstance(value, list) or len(value) > MAX_SIGHTINGS:
            raise BadMisp("this is no list of sightings")
        self._indicators(reader, event, at)
        uuids_ = [str(each.get("uuid", "") if isinstance(each, dict) else each).lower() for each in value]
        with self._db.read() as connection:
            given = {
                uuid
                for uuid in uuids_
                for held in self._holdings.get(connection, f"sighting--{uuid}", ACTUAL)
                if any(word.nation == giver(reader.constituent) for word in held.provenance)
            }
        return [uuid for uuid in uuids_ if is_uuid(uuid) and uuid not in given]

    def save(self, shelf: Shelf, account: Account, event: str, value: Any, at: datetime) -> int:
        """Take sightings of the attributes of one event; return how many. An attribute of another event is passed over.

        Raises:
            UnknownEvent: the event is not there for this constituent.
            BadMisp: it is no list of sightings.
        """
        if not isinstance(value, list) or len(value) > MAX_SIGHTINGS:
            raise BadMisp("this is no list of sightings")
        inside = set(self._indicators(Reader.of(account), event, at))
        made = []
        for each in value:
            given = each.get("Sighting", each) if isinstance(each, dict) else {}
            uuid, about = str(given.get("uuid", "")), f"indicator--{str(given.get('attribute_uuid', '')).lower()}"
            kind = str(given.get("type", SEEN))
            if is_uuid(uuid) and about in inside and kind in (SEEN, FALSE_POSITIVE):
                made.append(stix_of(uuid.lower(), about, kind, _when(given, at), at))
        self._post(shelf, account, made, at)
        return len(made)

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

    def _post(self, shelf: Shelf, account: Account, made: Sequence[Mapping[str, Any]], at: datetime) -> None:
        if made:
            self._posting.post(shelf, account, msgspec.json.encode({"objects": list(made)}), at)

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

    def _indicators(self, reader: Reader, uuid: str, at: datetime) -> list[str]:
        """Return the indicators behind an event's attributes."""
        _, event = self._serving.event(reader, uuid, at, "feed")
        return [f"indicator--{str(each.get('uuid', '')).lower()}" for each in attributes_of(event)]

    def _said(self, reader: Reader, ids: Sequence[str], event: str, at: datetime) -> list[dict[str, Any]]:
        found = []
        with self._db.read() as connection:
            catalogue = self._catalogue(connection, reader, at)
            for start in range(0, len(ids), _AT_ONCE):
                said = said_of(connection, ids[start : start + _AT_ONCE], ACTUAL, MAX_SIGHTINGS)
                rows = [each.stored.row for each in said if each.stored.stix.type == "sighting"]
                found += [msgspec.json.decode(bytes(row.body)) for row in _released(catalogue, rows=rows)]
        return [_shown(each, event) for each in sorted(found, key=lambda one: (one["created"], one["id"]))]

    def _catalogue(self, connection: Any, reader: Reader, at: datetime) -> Catalogue:
        return self._serving.catalogue(connection, reader, at)


def _released(catalogue: Catalogue, *, ids: Sequence[str] = (), rows: Sequence[int] = ()) -> list[Any]:
    """Return objects, by id or by row, that stand on the constituent's shelves and are released now."""
    found = []
    for shelf in catalogue.shelves.values():
        standing = store.standing(catalogue.connection, shelf.id, ids, rows)
        refs = [parse(bytes(row.body)).refs for row in standing]
        decided = catalogue.judge.decide(catalogue.judge.items(standing), refs, shelf)
        found += [row for row, each in zip(standing, decided, strict=True) if each is not None]
    return list({row.row: row for row in found}.values())


def _shown(fields: Mapping[str, Any], event: str) -> dict[str, Any]:
    about = str(fields.get("sighting_of_ref") or next(iter(fields.get("object_refs", [""]))))
    seen = str(fields.get("last_seen") or fields["created"])
    return {
        "id": "0",
        "uuid": uuid_of(str(fields["id"])),
        "attribute_id": "0",
        "attribute_uuid": uuid_of(about),
        "event_id": "0",
        **({"event_uuid": event} if event else {}),
        "date_sighting": str(int(datetime.fromisoformat(seen).timestamp())),
        "source": "",
        "type": SEEN if fields["type"] == "sighting" else FALSE_POSITIVE,
    }


def _when(asked: Mapping[str, Any], at: datetime) -> datetime:
    """Return when something was seen, never later than now."""
    return min(at, instant_of(asked.get("date_sighting", asked.get("timestamp"))) or at)
