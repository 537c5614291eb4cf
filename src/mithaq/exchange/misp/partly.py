"""Convert of a changed event what changed: the objects of its other parts are held as they were made before.

What a part becomes depends on the part, on the event's head and on what refers to it. So only the parts that differ are
converted, in an event of the same head; where anything else plays in, the whole event is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from mithaq.exchange.misp.taking import Event
from mithaq.intelligence.imports.misp import ConvertedEvent
from mithaq.intelligence.model import ForeignEvent, NewEvent
from mithaq.standards.misp.labels import tag_names
from mithaq.standards.misp.mapping import uuid_of
from mithaq.standards.misp.parts import Part, analyst_data, is_deleted, parts
from mithaq.standards.stix import BadObject, StixObject, parse

WHOLE_UP_TO: Final = 30
"""Parts up to which an event is converted as a whole: that is as fast."""

_LISTS: Final = ("Attribute", "Object")
_MAY_DIFFER: Final = frozenset({*_LISTS, "timestamp", "id"})
_KINDS: Final = ("report", "grouping")


@dataclass(frozen=True, slots=True)
class Narrowed:
    """An event of the parts that changed alone, as they are, and as they were; `before` is None where all are new."""

    event: Event
    before: Event | None


@dataclass(frozen=True, slots=True)
class Partly:
    """What became of an event, or of those of its parts that changed; the event's own object refers to all parts.

    `over`: the ids of what these parts became before, None where all parts were converted.
    """

    event: Event
    converted: ConvertedEvent
    over: frozenset[str] | None = None

    def joined(self, new: NewEvent, before: ForeignEvent | None, known: frozenset[str]) -> NewEvent:
        """Return what is kept of the event, with what its other parts became in the version before."""
        if self.over is None or before is None:
            return new
        ids = (known - self.over) | new.object_ids
        return replace(new, object_ids=ids, outside=(before.outside | new.outside) - ids)


def narrowed(before: Event, event: Event) -> Narrowed | None:
    """Return the parts of an event that changed, None where it is to be converted as a whole."""
    heads = [{key: value for key, value in each.items() if key not in _MAY_DIFFER} for each in (before, event)]
    if heads[0] != heads[1] or event.get("Galaxy") or any(analyst_data(event)):
        return None
    now: dict[str, list[Part]] = {}
    was: dict[str, list[Part]] = {}
    others: list[Part] = []
    for kind in _LISTS:
        old, new = _by_uuid(before.get(kind)), _by_uuid(event.get(kind))
        if old is None or new is None or not old.keys() <= new.keys():
            return None
        differ = {uuid for uuid, part in new.items() if old.get(uuid) != part}
        now[kind] = [new[uuid] for uuid in new if uuid in differ]
        was[kind] = [old[uuid] for uuid in old if uuid in differ]
        others += [old[uuid] for uuid in old if uuid not in differ]
    changed = [*now["Attribute"], *now["Object"]]
    if not changed or len(others) < max(WHOLE_UP_TO, len(changed)) or all(map(is_deleted, others)):
        return None
    if any(map(is_deleted, changed)) or not all(map(_stands_alone, [*changed, *was["Attribute"], *was["Object"]])):
        return None
    if not _uuids(changed).isdisjoint(_referred_to(event)):
        return None
    living = {kind: [part for part in was[kind] if not is_deleted(part)] for kind in _LISTS}
    head = {**heads[1], "EventReport": []}
    earlier = {**head, "timestamp": before["timestamp"], **living} if any(living.values()) else None
    return Narrowed({**head, "timestamp": event["timestamp"], **now}, earlier)


def partly(
    narrow: Narrowed, held: Callable[[str], bytes | None], convert: Callable[[bytes], ConvertedEvent]
) -> Partly | None:
    """Convert the parts that changed; None where it turns out that the event must be converted as a whole.

    `held`: returns the object of an id as this event's giver said it last.
    """
    now = convert(msgspec.json.encode({"Event": narrow.event}))
    was = convert(msgspec.json.encode({"Event": narrow.before})) if narrow.before is not None else None
    try:
        made = [(parse(body), body) for body in now.bodies]
        old = [parse(body) for body in was.bodies] if was is not None else []
        own = next(stix for stix, _ in made if _is_own(stix, narrow.event))
        body = held(own.id)
        before = parse(body) if body is not None else None
    except (BadObject, StopIteration):
        return None
    old_own = next((stix for stix in old if _is_own(stix, narrow.event)), None)
    if before is None or body is None or before.id != own.id or _outside(old):
        return None
    gone = set(old_own.refs) if old_own is not None else set()
    bodies = tuple(
        _referring(each, [ref for ref in _refs(body) if ref not in gone]) if stix is own else each
        for stix, each in made
    )
    return Partly(narrow.event, replace(now, bodies=bodies), frozenset(each.id for each in old))


def _is_own(stix: StixObject, event: Event) -> bool:
    """Tell whether an object is what an event becomes itself."""
    return stix.type in _KINDS and uuid_of(stix.id) == str(event["uuid"]).lower()


def _outside(made: Sequence[StixObject]) -> bool:
    """Tell whether objects refer to others than each other, beside labels."""
    ids = {each.id for each in made}
    return any(ref not in ids and not ref.startswith("marking-definition--") for each in made for ref in each.refs)


def _referring(body: bytes, more: Sequence[str]) -> bytes:
    fields = msgspec.json.decode(body)
    fields["object_refs"] = list(dict.fromkeys([*more, *fields["object_refs"]]))
    return msgspec.json.encode(fields)


def _refs(body: bytes) -> list[str]:
    found = msgspec.json.decode(body).get("object_refs")
    return found if isinstance(found, list) else []


def _by_uuid(value: Any) -> dict[str, Part] | None:
    """Return parts by their uuids, None where two have one or one has none."""
    held = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
    found = {str(each["uuid"]).lower(): each for each in held if each.get("uuid")}
    return found if len(found) == len(held) else None


def _stands_alone(part: Part) -> bool:
    """Tell whether nothing is attached to a part that other parts may have too, and it refers to none."""
    inside = part.get("Attribute")
    for each in (part, *(inside if isinstance(inside, list) else [])):
        if not isinstance(each, Mapping) or each.get("Galaxy") or each.get("ObjectReference"):
            return False
        if any(name.startswith("misp-galaxy:") for name in tag_names(each.get("Tag"))):
            return False
    return True


def _uuids(changed: Sequence[Part]) -> set[str]:
    lists: Event = {"Attribute": [each for each in changed if "Attribute" not in each],
                    "Object": [each for each in changed if "Attribute" in each]}  # fmt: skip
    return {str(each.part.get("uuid", "")).lower() for each in parts(lists)}


def _referred_to(event: Event) -> set[str]:
    """Return to which parts others refer; a report names parts in its text, and then all count."""
    if event.get("EventReport"):
        return {str(each.part.get("uuid", "")).lower() for each in parts(event)}
    references = [each.part for each in parts(event) if each.kind == "ObjectReference"]
    return {str(each.get("referenced_uuid", "")).lower() for each in references}
