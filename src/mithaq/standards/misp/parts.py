"""The parts of a MISP event by their uuid: attributes, objects, references between them, and event reports.

What changes an event here changes the value that is given; timestamps grow with every change, as MISP's do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Kind = Literal["Attribute", "Object", "ObjectReference", "EventReport"]
Analyst = Literal["Note", "Opinion", "Relationship"]
Part = dict[str, Any]

ANALYST: Final[tuple[Analyst, ...]] = ("Note", "Opinion", "Relationship")

_LOCAL: Final = frozenset({"id", "event_id", "object_id", "org_id", "orgc_id"})
"""Numbers of one server, which mean nothing at another."""


@dataclass(frozen=True, slots=True)
class Found:
    """A part, the list in which it stands, and the object to which it belongs, if it belongs to one."""

    kind: Kind
    part: Part
    siblings: Any
    parent: Part | None = None


def parts(event: Mapping[str, Any]) -> Iterator[Found]:
    """Yield every part of an event, an object before what stands in it."""
    for kind in ("Attribute", "Object", "EventReport"):
        yield from _listed(event, kind)
        if kind == "Object":
            for found in _listed(event, "Object"):
                yield from _listed(found.part, "Attribute", found.part)
                yield from _listed(found.part, "ObjectReference", found.part)


def find(event: Mapping[str, Any], uuid: str, kind: Kind | None = None) -> Found | None:
    """Return the part of this uuid; `kind`: only one of that kind."""
    for each in parts(event):
        if kind in (None, each.kind) and str(each.part.get("uuid", "")).lower() == uuid.lower():
            return each
    return None


def analyst_data(event: Mapping[str, Any]) -> Iterator[tuple[Analyst, Part]]:
    """Yield what analysts say of an event, of its parts, and of what another analyst says (MISP 2.5)."""
    for holder in (event, *(each.part for each in parts(event))):
        yield from _said_of(holder)


def clusters(event: Mapping[str, Any]) -> Iterator[Part]:
    """Yield the galaxy clusters that are attached to an event or to its parts."""
    for holder in (event, *(each.part for each in parts(event))):
        for galaxy in _dicts(holder.get("Galaxy")):
            yield from _dicts(galaxy.get("GalaxyCluster"))


def is_deleted(part: Mapping[str, Any]) -> bool:
    """Tell whether MISP holds a part as deleted."""
    return part.get("deleted") in (True, 1, "1")


def without_numbers(part: Mapping[str, Any]) -> Part:
    """Return what a client says of a part, without the numbers under which some server knows it."""
    return {key: value for key, value in part.items() if key not in _LOCAL}


def number(value: Any) -> int:
    """Read a whole number that MISP may write as a text; 0 for what is none."""
    text = str(value)
    return int(text) if text.isdecimal() and len(text) < 16 else 0


def touch(part: Part, at_s: int, stated: Any = None) -> None:
    """Give a part a later timestamp: the one that was stated, where it is later, or the present one."""
    held, said = number(part.get("timestamp")), number(stated)
    part["timestamp"] = str(said if said > held else max(at_s, held + 1))


def replace(found: Found, changed: Mapping[str, Any], at_s: int) -> None:
    """Change a part to what is said of it; attributes of an object that are not named stay as they are."""
    said = without_numbers(changed)
    stated = said.pop("timestamp", None)
    named = said.pop("Attribute", None)
    found.part.update({key: value for key, value in said.items() if key != "uuid"})
    if found.kind == "Object" and isinstance(named, list):
        _replace_inside(found.part, named)
    touch(found.part, at_s, stated)
    if found.parent is not None:
        touch(found.parent, at_s)


def delete(found: Found, at_s: int, *, hard: bool) -> None:
    """Mark a part as deleted, with what stands in it; or take it out (`hard`)."""
    if hard:
        found.siblings.remove(found.part)
        return
    inside = [each.part for each in (*_listed(found.part, "Attribute"), *_listed(found.part, "ObjectReference"))]
    for part in (found.part, *inside):
        part["deleted"] = True
        touch(part, at_s)


def restore(found: Found, at_s: int) -> None:
    """Take the mark of deletion from a part."""
    found.part["deleted"] = False
    touch(found.part, at_s)


def _replace_inside(held: Part, named: list[Any]) -> None:
    given = [without_numbers(each) for each in named if isinstance(each, dict)]
    known = {str(each.get("uuid", "")).lower() for each in given}
    standing = held["Attribute"] if isinstance(held.get("Attribute"), list) else []
    held["Attribute"] = [*(each for each in standing if str(each.get("uuid", "")).lower() not in known), *given]


def _said_of(holder: Mapping[str, Any]) -> Iterator[tuple[Analyst, Part]]:
    for kind in ANALYST:
        for each in _dicts(holder.get(kind)):
            yield kind, each
            yield from _said_of(each)


def _listed(holder: Mapping[str, Any], kind: Kind, parent: Part | None = None) -> Iterator[Found]:
    held = holder.get(kind)
    for each in _dicts(held):
        yield Found(kind, each, held, parent)


def _dicts(value: Any) -> list[Part]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
