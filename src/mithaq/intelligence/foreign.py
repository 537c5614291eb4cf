"""Which foreign events are held as originals, and which objects were converted from each.

An event is known by its uuid and by who gave it; the newest of its versions counts. Of its objects the ids are kept:
an object that several events share has one version that stands.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, select

from mithaq.intelligence.model import ForeignEvent, NewEvent
from mithaq.intelligence.tables import misp_event_objects, misp_events, originals
from mithaq.kernel.database import Transaction, insert_ignore
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.standards import stix
from mithaq.standards.misp.foreign import exported_tags, objections, read_events

_MAX_TAGS: Final = 500
_MAX_TEXT: Final = 10_000
_AT_ONCE: Final = 500
_HEADS: Final = ("info", "date", "analysis", "threat_level_id", "timestamp")
_newer = misp_events.alias("newer")
IS_NEWEST: Final = ~(
    select(_newer.c.id)
    .where(
        _newer.c.uuid == misp_events.c.uuid,
        _newer.c.lane == misp_events.c.lane,
        _newer.c.nation == misp_events.c.nation,
        (_newer.c.timestamp > misp_events.c.timestamp)
        | ((_newer.c.timestamp == misp_events.c.timestamp) & (_newer.c.id > misp_events.c.id)),
    )
    .exists()
)
"""That no newer version of the event was given by the same giver."""

_OF_UUID: Final = select(misp_events).where(
    misp_events.c.uuid == bindparam("uuid"), misp_events.c.lane == bindparam("lane"), IS_NEWEST
)
_IDS: Final = select(misp_event_objects.c.stix_id).where(misp_event_objects.c.event == bindparam("event"))
_ALL_IDS: Final = (
    select(misp_event_objects.c.stix_id)
    .distinct()
    .join(misp_events, misp_events.c.id == misp_event_objects.c.event)
    .where(
        misp_events.c.uuid == bindparam("uuid"),
        misp_events.c.lane == bindparam("lane"),
        misp_events.c.nation == bindparam("nation"),
    )
)
_STILL_GIVEN: Final = (
    select(misp_event_objects.c.stix_id)
    .distinct()
    .join(misp_events, misp_events.c.id == misp_event_objects.c.event)
    .where(
        misp_event_objects.c.stix_id.in_(bindparam("ids", expanding=True)),
        misp_events.c.lane == bindparam("lane"),
        misp_events.c.nation == bindparam("nation"),
        IS_NEWEST,
    )
)
_BODY: Final = select(originals.c.body).where(originals.c.digest == bindparam("digest"))


def new_event(
    event: Mapping[str, Any],
    bodies: Sequence[bytes],
    place: int,
    original: str,
    nation: NationId,
    lane: Lane,
    collection: str | None = None,
) -> NewEvent | None:
    """Read what is kept of an event; None where it has no uuid or time by which it could be known.

    `collection`: the id of that into which a constituent gave it, None for what was imported here.
    """
    uuid, stamp = str(event.get("uuid", "")).lower(), str(event.get("timestamp", ""))
    if not stix.is_uuid(uuid) or not stamp.isdecimal() or len(stamp) > 12:
        return None
    ids: set[str] = set()
    refs: set[str] = set()
    for body in bodies:
        try:
            parsed = stix.parse(body)
        except stix.BadObject:
            ids.add(f"unreadable--{len(ids)}")  # is held nowhere, so that the event never counts as whole
            continue
        ids.add(parsed.id)
        refs.update(parsed.refs)
    head = {key: str(event[key])[:_MAX_TEXT] for key in _HEADS if key in event} | {
        "Orgc": _orgc(event.get("Orgc")),
        "Tag": exported_tags(event.get("Tag"))[:_MAX_TAGS],
        "objections": [reason.as_json() for reason in objections(dict(event))],
    }
    if collection is not None:
        head["collection"] = collection
    return NewEvent(uuid, lane, nation, original, place, int(stamp), frozenset(ids), frozenset(refs - ids), head)


def keep(tx: Transaction, new: NewEvent) -> int:
    """Keep what became of an event; return its number."""
    values = {
        "uuid": new.uuid, "lane": str(new.lane), "nation": new.nation, "original": new.original, "place": new.place,
        "timestamp": new.timestamp, "size": len(new.object_ids), "outside": sorted(new.outside),
        "head": dict(new.head), "stored_at": tx.at,
    }  # fmt: skip
    number = int(tx.execute(misp_events.insert().values(**values).returning(misp_events.c.id)).scalar_one())
    insert_ignore(tx, misp_event_objects, [{"event": number, "stix_id": each} for each in sorted(new.object_ids)])
    return number


def forget(tx: Transaction, event: ForeignEvent) -> None:
    """Forget every version of an event that its giver takes back; the originals stay with what still refers to them."""
    mine = (
        misp_events.c.uuid == event.uuid, misp_events.c.lane == str(event.lane), misp_events.c.nation == event.nation
    )  # fmt: skip
    numbers = select(misp_events.c.id).where(*mine)
    tx.execute(delete(misp_event_objects).where(misp_event_objects.c.event.in_(numbers)))
    tx.execute(delete(misp_events).where(*mine))


def of_uuid(connection: Connection, uuid: str, lane: Lane) -> list[ForeignEvent]:
    """Return the newest version of an event from each who gave it."""
    rows = connection.execute(_OF_UUID, {"uuid": uuid, "lane": str(lane)})
    return [of_row(row) for row in rows]


def object_ids(connection: Connection, event: int) -> frozenset[str]:
    """Return the ids of the objects that were converted from an event."""
    return frozenset(connection.scalars(_IDS, {"event": event}))


def all_object_ids(connection: Connection, event: ForeignEvent) -> frozenset[str]:
    """Return the ids of the objects that were converted from any version of an event that its giver gave."""
    asked = {"uuid": event.uuid, "lane": str(event.lane), "nation": event.nation}
    return frozenset(connection.scalars(_ALL_IDS, asked))


def given_no_more(connection: Connection, ids: Iterable[str], lane: Lane, nation: NationId) -> set[str]:
    """Return which of these objects stand in no newest event of this giver."""
    gone = set(ids)
    ordered = sorted(gone)
    for start in range(0, len(ordered), _AT_ONCE):
        asked = {"ids": ordered[start : start + _AT_ONCE], "lane": str(lane), "nation": nation}
        gone.difference_update(connection.scalars(_STILL_GIVEN, asked))
    return gone


def original(connection: Connection, event: ForeignEvent) -> bytes:
    """Return the file in which an event came, empty where it is held no more."""
    body = connection.scalar(_BODY, {"digest": event.original})
    return bytes(body) if body is not None else b""


def members(connection: Connection, event: ForeignEvent) -> dict[str, Any]:
    """Return an event as it came, from its original.

    Raises:
        LookupError: the original is held no more, or holds no such event.
    """
    body = original(connection, event)
    found = read_events(body)[event.place] if body else None
    if not isinstance(found, dict):
        raise LookupError(event.uuid)
    return found


def of_row(row: Any) -> ForeignEvent:
    """Return a row of the table as a value."""
    return ForeignEvent(
        row.id, row.uuid, Lane.parse(row.lane), NationId(row.nation), row.original, row.place, row.timestamp, row.size,
        frozenset(row.outside), row.head,
    )  # fmt: skip


def _orgc(value: Any) -> dict[str, str]:
    named = value if isinstance(value, dict) else {}
    return {"name": str(named.get("name", ""))[:_MAX_TEXT], "uuid": str(named.get("uuid", ""))[:80]}
