"""Import a MISP event file: converted in a process of its own, the file itself kept beside what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import msgspec

from mithaq.intelligence import foreign
from mithaq.intelligence.errors import ConfinedFailed, MispFailed, TooMuch
from mithaq.intelligence.imports.confined.running import Limits, run_confined
from mithaq.intelligence.imports.tally import Tally
from mithaq.intelligence.model import ImportReport, ImportTerms, NewEvent
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import (
    MISP_CPU_S,
    MISP_MAX_BYTES,
    MISP_MEMORY_BYTES,
    MISP_OUTPUT_BYTES,
    MISP_WALL_S,
)
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel.database import Transaction
from mithaq.kernel.reason import Reason
from mithaq.standards import stix
from mithaq.standards.admiralty import admiralty_of
from mithaq.standards.misp.foreign import read_events
from mithaq.standards.misp.parts import number
from mithaq.standards.pap import Pap, pap_of
from mithaq.standards.tlp import Tlp

MEDIA_TYPE: Final = "application/vnd.misp.event+json"
KeepEvent = Callable[[Transaction, Holdings, NewEvent], int]
"""Keep what became of an event; return of how many objects a word was taken back for it."""

_MAX_NOTES: Final = 100
_LIMITS: Final = Limits(MISP_MEMORY_BYTES, MISP_CPU_S, MISP_WALL_S, MISP_OUTPUT_BYTES)


def import_misp(
    holdings: Holdings,
    file: bytes,
    *,
    terms: ImportTerms,
    warning_lists: WarningLists | None,
    keep: KeepEvent,
    at: datetime,
) -> ImportReport:
    """Store the STIX objects of a MISP file's events; the file is kept byte for byte as their original.

    An event's `tlp:`, `PAP:` and `admiralty-scale:` tags hold for all its objects. An event that cannot be
    converted is refused by its uuid, and the others go on. `keep` takes back what an event gives no more.

    Raises:
        TooMuch: the file is larger than a MISP file may be.
        MispFailed: it is no JSON, too deep, or the converting process died.
    """
    events = convert(file)
    with holdings.db.write(at) as tx:
        original = holdings.keep_original(tx, MEDIA_TYPE, file)
    return _store(holdings, events, replace(terms, original=original), warning_lists, keep, at)


@dataclass(frozen=True, slots=True)
class ConvertedEvent:
    """One event of a file: the objects that became of it, or why none did.

    `event`: its members as they came, empty where they are no JSON object. `notes` are the converter's warnings.
    """

    name: str
    info: str
    tags: tuple[str, ...]
    event: Mapping[str, Any]
    bodies: tuple[bytes, ...] = ()
    notes: tuple[str, ...] = ()
    failure: str = ""


def convert(file: bytes) -> list[ConvertedEvent]:
    """Convert a MISP file's events to STIX objects, in their order.

    Raises:
        TooMuch: the file is larger than a MISP file may be.
        MispFailed: it is no JSON, too deep, or the converting process died.
    """
    if len(file) > MISP_MAX_BYTES:
        raise TooMuch("larger than the %(max)s bytes of a MISP file", subject="misp-file", max=MISP_MAX_BYTES)
    if stix.nesting_exceeds(file, stix.MAX_DEPTH):
        raise MispFailed("nested deeper than %(max)s levels", subject="misp-file", max=stix.MAX_DEPTH)
    lines = _converted(file)
    try:
        read = read_events(file)
    except msgspec.DecodeError:  # the converter reads JSON more leniently
        read = []
    found: list[ConvertedEvent] = []
    bodies: list[bytes] = []
    for line in lines:
        kind, body = line[:1], line[1:]
        if kind == b"O":
            bodies.append(body)
            continue
        head, place = msgspec.json.decode(body), len(found)
        if kind == b"B":
            raise MispFailed("the file could not be converted: %(detail)s", detail=str(head["error"]))
        if found:
            found[-1], bodies = replace(found[-1], bodies=tuple(bodies)), []
        event = read[place] if place < len(read) and isinstance(read[place], dict) else {}
        found.append(
            ConvertedEvent(
                head["event"],
                head.get("info", ""),
                tuple(head.get("tags", ())),
                event,
                notes=tuple(head.get("notes", ())),
                failure=str(head.get("error", "")),
            )
        )
    if found:
        found[-1] = replace(found[-1], bodies=tuple(bodies))
    return found


def _store(
    holdings: Holdings,
    events: Sequence[ConvertedEvent],
    terms: ImportTerms,
    warning_lists: WarningLists | None,
    keep: KeepEvent,
    at: datetime,
) -> ImportReport:
    reports: list[ImportReport] = []
    notes: list[str] = []
    withdrawn = 0
    for place, each in enumerate(events):
        tally = Tally(holdings, terms_of_event(terms, each), warning_lists, at)
        if each.failure:
            tally.refuse(f"event {each.name}", failure_of(each))
        for index, body in enumerate(each.bodies):
            tally.add(body, index)
        reports.append(tally.report())
        notes += [f"{each.name}: {note}" for note in each.notes]
        if made := foreign_event(each, place, terms):
            with holdings.db.write(at) as tx:
                withdrawn += keep(tx, holdings, made)
    return ImportReport.sum([*reports, ImportReport(withdrawn=withdrawn, notes=tuple(notes[:_MAX_NOTES]))])


def failure_of(each: ConvertedEvent) -> Reason:
    """Return why nothing became of an event."""
    return Reason("misp-conversion-failed", "the event could not be converted: %(detail)s",
                  {"detail": each.failure}, "export the event from MISP again, or as STIX")  # fmt: skip


def foreign_event(each: ConvertedEvent, place: int, terms: ImportTerms) -> NewEvent | None:
    """Return what is kept of an event beside its objects, None where nothing became of it."""
    if not each.bodies or not each.event or terms.original is None:
        return None
    return foreign.new_event(each.event, each.bodies, place, terms.original, terms.nation, terms.lane)


def terms_of_event(terms: ImportTerms, event: ConvertedEvent) -> ImportTerms:
    """Apply an event's own tags, the stricter label winning."""
    tags = list(event.tags)
    tlps = [Tlp.parse(tag) for tag in tags if tag.lower().startswith("tlp:")]
    tlp = max((item for item in (*tlps, terms.tlp) if item is not None), default=None)
    paps: tuple[Pap | None, ...] = (pap_of(tags), terms.pap)
    pap = max((item for item in paps if item is not None), default=None)
    said = {"event": event.name, "info": event.info, "tags": tags, "timestamp": number(event.event.get("timestamp"))}
    carried = {**terms.carried, "misp": said}
    own = frozenset(own_uuids(event.event))
    return replace(terms, tlp=tlp, pap=pap, carried=carried, tagged=admiralty_of(tags), own_uuids=own)


def own_uuids(event: Mapping[str, Any]) -> Iterator[str]:
    """Yield the uuids of an event's own attributes, objects and reports, however they are nested."""
    for kind in ("Attribute", "Object", "EventReport"):
        listed = event.get(kind)
        for each in listed if isinstance(listed, list) else ():
            if isinstance(each, dict):
                yield str(each.get("uuid", "")).lower()
                yield from own_uuids(each)


def _converted(file: bytes) -> list[bytes]:
    """Run the converter without this program's environment, and return its lines."""
    try:
        return run_confined("misp_worker", file, _LIMITS)
    except ConfinedFailed as error:
        raise MispFailed("the file could not be converted: %(detail)s", detail=str(error)) from error
