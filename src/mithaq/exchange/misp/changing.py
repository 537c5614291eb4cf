"""Changes of one part of an event that a constituent gave: what scripts do attribute by attribute.

Each change is a new version of the whole event, kept as any other; the part is looked up by its uuid among what this
constituent gave, and the changed part is the answer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from mithaq.exchange.misp.errors import BadMisp, NotYours, UnknownEvent
from mithaq.exchange.misp.keeping import Keeping
from mithaq.exchange.misp.settings import MAX_VALUES
from mithaq.exchange.misp.taking import Event, Kept
from mithaq.exchange.misp.writing import completed_attribute, with_uuid
from mithaq.intelligence.model import ForeignEvent
from mithaq.nations.constituents.model import Account
from mithaq.standards.misp import parts
from mithaq.standards.misp.numbers import numbered
from mithaq.standards.misp.parts import Found, Kind, Part, find, without_numbers
from mithaq.standards.stix import is_uuid

Changed = tuple[Any, Kept]
"""A part, or several, and the event with them as it is kept."""


class Changing:
    """Use cases of scripts that change parts; each gives the part as it is kept, and the event in which it is.

    Every one raises `UnknownEvent` where this constituent gave no such part, `NotYours` where the account may not
    write, `BadMisp` for what is no such part or could not be converted.
    """

    def __init__(self, keeping: Keeping) -> None:
        self._keeping = keeping

    def add_attributes(self, account: Account, uuid: str, value: Any, at: datetime) -> Changed:
        """Add one attribute, or several, to an event; of several those are left out that are refused."""
        if isinstance(value, dict) and "Attribute" in value:
            value = value["Attribute"]
        given = value if isinstance(value, list) else [value]
        if not 0 < len(given) <= MAX_VALUES or not all(isinstance(each, dict) for each in given):
            raise BadMisp("this is no attribute")
        made = [completed_attribute(without_numbers(each), at) for each in given]
        kept = self._append(account, uuid, "Attribute", made, at)
        taken = [each for each in made if str(each["uuid"]).lower() not in kept.refused]
        return (taken if len(made) > 1 else made[0]), kept  # a list of one is answered as one

    def add_object(self, account: Account, uuid: str, value: Any, at: datetime) -> Changed:
        """Add an object with its attributes to an event."""
        made = with_uuid(_inner(value, "Object"), at)
        held = made.get("Attribute")
        if not isinstance(made.get("name"), str) or not isinstance(held, list) or len(held) > MAX_VALUES:
            raise BadMisp("an object needs a name and a list of attributes")
        if not all(isinstance(each, dict) for each in held):
            raise BadMisp("an event's attributes and objects are JSON objects")
        made["Attribute"] = [completed_attribute(without_numbers(each), at) for each in held]
        return made, self._append(account, uuid, "Object", [made], at)

    def add_report(self, account: Account, uuid: str, value: Any, at: datetime) -> Changed:
        """Add an event report to an event."""
        made = with_uuid(_inner(value, "EventReport"), at)
        if not all(isinstance(made.get(key), str) for key in ("name", "content")):
            raise BadMisp("an event report needs a name and a content")
        return made, self._append(account, uuid, "EventReport", [made], at)

    def add_reference(self, account: Account, value: Any, at: datetime) -> Changed:
        """Add a reference from one object to another part of the same event."""
        made = with_uuid(_inner(value, "ObjectReference"), at)
        named = [str(made.get(key, "")).lower() for key in ("object_uuid", "referenced_uuid")]
        if not all(is_uuid(each) for each in named) or not isinstance(made.get("relationship_type"), str):
            raise BadMisp("a reference names an object, what it refers to, and how")

        def add(found: Found, event: Event) -> None:
            if find(event, named[1]) is None:
                raise UnknownEvent("no such event or attribute", subject=named[1])
            held = found.part.get("ObjectReference")
            found.part["ObjectReference"] = [*(held if isinstance(held, list) else []), made]
            parts.touch(found.part, int(at.timestamp()))

        return made, self._changed(account, named[0], "Object", add, at, [str(made["uuid"])])[1]

    def edit(self, account: Account, uuid: str, kind: Kind, value: Any, at: datetime) -> Changed:
        """Change a part to what is said of it."""
        said = _inner(value, kind)

        def said_of(found: Found, _: Event) -> None:
            parts.replace(found, said, int(at.timestamp()))
            if kind in ("Attribute", "Object"):
                held = [found.part] if kind == "Attribute" else found.part.get("Attribute") or []
                for each in held:
                    each.update(completed_attribute(each, at))

        return self._changed(account, uuid, kind, said_of, at, [uuid])

    def delete(self, account: Account, uuid: str, kind: Kind, at: datetime, *, hard: bool) -> None:
        """Mark a part as deleted, or take it out of its event (`hard`); its objects are taken back either way."""
        self._changed(account, uuid, kind, lambda found, _: parts.delete(found, int(at.timestamp()), hard=hard), at)

    def restore(self, account: Account, uuid: str, at: datetime) -> Changed:
        """Take the mark of deletion from an attribute."""

        def restored(found: Found, _: Event) -> None:
            parts.restore(found, int(at.timestamp()))

        return self._changed(account, uuid, "Attribute", restored, at, [uuid])

    def tag(self, account: Account, asked: Mapping[str, Any], at: datetime, *, attach: bool) -> dict[str, Any]:
        """Attach a tag to an event that this constituent gave or to one of its attributes, or take it away.

        Raises:
            NotYours: a local tag is kept nowhere.
        """
        uuid, name = str(asked.get("uuid", "")).lower(), asked.get("tag")
        if not is_uuid(uuid) or not isinstance(name, str) or not name.strip() or len(name) > 500:
            raise BadMisp("a tag needs a uuid and a name")
        if attach and asked.get("local") in (True, 1, "1"):
            raise NotYours("a local tag would stay at home: this node keeps none")

        def retag(held: ForeignEvent, event: Event) -> tuple[Event, bytes]:
            target = event if held.uuid == uuid else _demand(event, uuid, "Attribute").part
            held_tags = target["Tag"] if isinstance(target.get("Tag"), list) else []
            tags = [each for each in held_tags if not (isinstance(each, dict) and each.get("name") == name)]
            target["Tag"] = [*tags, {"name": name}] if attach else tags
            if target is not event:
                parts.touch(target, int(at.timestamp()))
            return _later(held, event, at), b""

        self._keeping.change(account, lambda: self._keeping.holding(account, uuid), retag, at)
        word = "attached" if attach else "removed"
        return {"saved": True, "success": f"Tag {word}.", "check_publish": True, "name": f"Tag {word}."}

    def _append(self, account: Account, uuid: str, kind: Kind, made: list[Part], at: datetime) -> Kept:
        def add(held: ForeignEvent, event: Event) -> tuple[Event, bytes]:
            if any(find(event, str(each["uuid"])) is not None for each in made):
                raise NotYours("the event has a part of this uuid already: edit that", subject=uuid[:80])
            event[kind] = [*(event.get(kind) or []), *made]
            return _later(held, event, at), b""

        added = [str(each["uuid"]).lower() for each in made]
        kept = self._keeping.change(account, lambda: self._keeping.held(account, uuid), add, at, added)
        return _about(kept, added)

    def _changed(
        self,
        account: Account,
        uuid: str,
        kind: Kind,
        change: Callable[[Found, Event], None],
        at: datetime,
        needs: Sequence[str] = (),
    ) -> Changed:
        if not is_uuid(uuid):
            raise UnknownEvent("no such event or attribute", subject=uuid[:80])
        changed: list[Found] = []

        def make(held: ForeignEvent, event: Event) -> tuple[Event, bytes]:
            found = _demand(event, uuid, kind)
            change(found, event)
            changed[:] = [found]
            return _later(held, event, at), b""

        named = [each.lower() for each in needs]
        kept = self._keeping.change(account, lambda: self._keeping.holding(account, uuid.lower()), make, at, named)
        parent = changed[0].parent
        kept = _about(kept, [uuid.lower(), *([str(parent.get("uuid", "")).lower()] if parent else [])])
        found = find(kept.event, uuid, kind)
        return (found.part if found is not None else changed[0].part), kept


def _about(kept: Kept, uuids: Sequence[str]) -> Kept:
    """Return what was kept, numbered, with what is to be said of some parts of it alone."""
    numbered(kept.event)
    return replace(kept, unseen={uuid: why for uuid, why in kept.unseen.items() if uuid in uuids})


def _demand(event: Event, uuid: str, kind: Kind) -> Found:
    found = find(event, uuid, kind)
    if found is None:
        raise UnknownEvent("no such event or attribute", subject=uuid[:80])
    return found


def _later(held: ForeignEvent, event: Event, at: datetime) -> Event:
    event["timestamp"] = str(max(int(at.timestamp()), held.timestamp + 1))
    return event


def _inner(value: Any, kind: Kind) -> Part:
    found = value.get(kind, value) if isinstance(value, dict) else None
    if isinstance(found, list) and len(found) == 1:  # an attribute has no member of its own kind, an object has
        found = found[0]
    if not isinstance(found, dict):
        raise BadMisp("this is no part of a MISP event")
    return without_numbers(found)
