"""Changes of one part of an event that a constituent gave: what scripts do attribute by attribute.

Each change is a new version of the whole event, kept as any other; the part is looked up by its uuid among what this
constituent gave, and the changed part is the answer.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from mithaq.exchange.misp.errors import BadMisp, NotYours, UnknownEvent
from mithaq.exchange.misp.keeping import Event, Keeping
from mithaq.exchange.misp.settings import MAX_VALUES
from mithaq.exchange.misp.writing import completed_attribute, with_uuid
from mithaq.intelligence.model import ForeignEvent
from mithaq.nations.constituents.model import Account
from mithaq.standards.misp import parts
from mithaq.standards.misp.numbers import numbered
from mithaq.standards.misp.parts import Found, Kind, Part, find, without_numbers
from mithaq.standards.stix import is_uuid


class Changing:
    """Use cases of scripts that change parts.

    Every one raises `UnknownEvent` where this constituent gave no such part, `NotYours` where the account may not
    write, `BadMisp` for what is no such part or could not be converted.
    """

    def __init__(self, keeping: Keeping) -> None:
        self._keeping = keeping

    def add_attributes(self, account: Account, uuid: str, value: Any, at: datetime) -> Any:
        """Add one attribute, or several, to an event; return them as they are kept."""
        if isinstance(value, dict) and "Attribute" in value:
            value = value["Attribute"]
        given = value if isinstance(value, list) else [value]
        if not 0 < len(given) <= MAX_VALUES or not all(isinstance(each, dict) for each in given):
            raise BadMisp("this is no attribute")
        made = [completed_attribute(without_numbers(each), at) for each in given]
        self._append(account, uuid, "Attribute", made, at)
        return made if len(made) > 1 else made[0]  # a list of one is answered as one

    def add_object(self, account: Account, uuid: str, value: Any, at: datetime) -> Part:
        """Add an object with its attributes to an event; return it as it is kept."""
        made = with_uuid(_inner(value, "Object"), at)
        held = made.get("Attribute")
        if not isinstance(made.get("name"), str) or not isinstance(held, list) or len(held) > MAX_VALUES:
            raise BadMisp("an object needs a name and a list of attributes")
        if not all(isinstance(each, dict) for each in held):
            raise BadMisp("an event's attributes and objects are JSON objects")
        made["Attribute"] = [completed_attribute(without_numbers(each), at) for each in held]
        self._append(account, uuid, "Object", [made], at)
        return made

    def add_report(self, account: Account, uuid: str, value: Any, at: datetime) -> Part:
        """Add an event report to an event; return it as it is kept."""
        made = with_uuid(_inner(value, "EventReport"), at)
        if not all(isinstance(made.get(key), str) for key in ("name", "content")):
            raise BadMisp("an event report needs a name and a content")
        self._append(account, uuid, "EventReport", [made], at)
        return made

    def add_reference(self, account: Account, value: Any, at: datetime) -> Part:
        """Add a reference from one object to another part of the same event; return it as it is kept."""
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

        self._changed(account, named[0], "Object", add, at)
        return made

    def edit(self, account: Account, uuid: str, kind: Kind, value: Any, at: datetime) -> Part:
        """Change a part to what is said of it; return it as it is kept."""
        said = _inner(value, kind)

        def replace(found: Found, _: Event) -> None:
            parts.replace(found, said, int(at.timestamp()))
            if kind in ("Attribute", "Object"):
                held = [found.part] if kind == "Attribute" else found.part.get("Attribute") or []
                for each in held:
                    each.update(completed_attribute(each, at))

        return self._changed(account, uuid, kind, replace, at)

    def delete(self, account: Account, uuid: str, kind: Kind, at: datetime, *, hard: bool) -> None:
        """Mark a part as deleted, or take it out of its event (`hard`); its objects are taken back either way."""
        self._changed(account, uuid, kind, lambda found, _: parts.delete(found, int(at.timestamp()), hard=hard), at)

    def restore(self, account: Account, uuid: str, at: datetime) -> Part:
        """Take the mark of deletion from an attribute; return it."""
        return self._changed(account, uuid, "Attribute", lambda found, _: parts.restore(found, int(at.timestamp())), at)

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

    def _append(self, account: Account, uuid: str, kind: Kind, made: list[Part], at: datetime) -> None:
        def add(held: ForeignEvent, event: Event) -> tuple[Event, bytes]:
            if any(find(event, str(each["uuid"])) is not None for each in made):
                raise NotYours("the event has a part of this uuid already: edit that", subject=uuid[:80])
            event[kind] = [*(event.get(kind) or []), *made]
            return _later(held, event, at), b""

        numbered(self._keeping.change(account, lambda: self._keeping.held(account, uuid), add, at))

    def _changed(
        self, account: Account, uuid: str, kind: Kind, change: Callable[[Found, Event], None], at: datetime
    ) -> Part:
        if not is_uuid(uuid):
            raise UnknownEvent("no such event or attribute", subject=uuid[:80])
        kept: list[Part] = []

        def make(held: ForeignEvent, event: Event) -> tuple[Event, bytes]:
            found = _demand(event, uuid, kind)
            change(found, event)
            kept[:] = [found.part]
            return _later(held, event, at), b""

        numbered(self._keeping.change(account, lambda: self._keeping.holding(account, uuid.lower()), make, at))
        return kept[0]


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
