"""What of an event is taken: parts that are refused are left out or stay as they were, and each is told with why."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mithaq.intelligence.imports.misp import ConvertedEvent
from mithaq.standards.misp.mapping import uuid_of
from mithaq.standards.misp.parts import Found, Part, find, is_deleted, parts
from mithaq.standards.stix import BadObject, parse

Event = dict[str, Any]

_REASON_CHARS: Final = 300
_NOTHING: Final = "it is kept as it came, and nothing that could be looked for became of it"
_SEEN_AS_PARTS: Final = ("Attribute", "Object")


@dataclass(frozen=True, slots=True)
class Kept:
    """An event as it is kept; `refused` are parts that were not taken, `unseen` those that nothing detectable became.

    Both say why by the uuid of a part; of an object that is no single part, by its id.
    """

    event: Event
    refused: Mapping[str, str] = field(default_factory=dict)
    unseen: Mapping[str, str] = field(default_factory=dict)


class PartsRefused(Exception):
    """Parts of an event were refused, by their uuids with why; nothing of it was kept."""

    def __init__(self, refused: Mapping[str, str]) -> None:
        super().__init__(", ".join(refused))
        self.refused = refused


def parts_refused(event: Event, before: Event | None, refused: Mapping[str, str]) -> dict[str, str]:
    """Return the parts whose objects were refused, except those that are what they were in the version before.

    Of these the objects are held as they were made then.
    """
    found = {}
    for stix_id, why in refused.items():
        uuid = uuid_of(stix_id)
        part = find(event, uuid)
        if part is not None and (before is None or _part_of(before, part) != part.part):
            found[uuid] = why
    return found


def leave_out(event: Event, before: Event | None, uuids: Collection[str]) -> None:
    """Take parts out of an event; one that an earlier version has stays as it was there."""
    for uuid in uuids:
        found = find(event, uuid)
        if found is None:  # it stood in one that was taken out before it
            continue
        earlier = _part_of(before, found) if before is not None else None
        if earlier is None:
            found.siblings.remove(found.part)
        else:
            found.siblings[found.siblings.index(found.part)] = earlier


def uuids_of(event: Event) -> frozenset[str]:
    """Return the uuids of all parts of an event."""
    return frozenset(str(each.part.get("uuid", "")).lower() for each in parts(event))


def unseen(event: Event, converted: ConvertedEvent) -> dict[str, str]:
    """Return of which attributes, or objects with such, nothing became that is looked for though they ask for it.

    And those of which nothing became at all, whatever they ask for; with what the converter says of it.
    """
    made, indicators = set(), set()
    for stix_id in map(_id_of, converted.bodies):
        made.add(uuid_of(stix_id))
        if stix_id.startswith("indicator--"):
            indicators.add(uuid_of(stix_id))
    found = {}
    for each in parts(event):
        uuid = str(each.part.get("uuid", "")).lower()
        if each.kind not in _SEEN_AS_PARTS or each.parent is not None or is_deleted(each.part):
            continue
        if uuid not in made or (uuid not in indicators and _is_to_be_seen(each.part)):
            notes = [note for note in converted.notes if uuid in note.lower()]
            found[uuid] = ": ".join([_NOTHING, *notes[:1]])[:_REASON_CHARS]
    return found


def _is_to_be_seen(part: Part) -> bool:
    """Tell whether a part is to be looked for: an attribute that says so, or an object with one."""
    inside = part.get("Attribute")
    held = [each for each in inside if isinstance(each, dict) and not is_deleted(each)] if inside else []
    return any(each.get("to_ids") in (True, 1, "1") for each in (part, *held))


def _part_of(event: Event, part: Found) -> Part | None:
    found = find(event, str(part.part.get("uuid", "")), part.kind)
    return found.part if found is not None else None


def _id_of(body: bytes) -> str:
    try:
        return parse(body).id
    except BadObject as error:
        return error.subject
