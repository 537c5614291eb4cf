"""What a constituent's MISP writes: whole events and their newer versions, as its own word and nobody else's."""

import uuid as uuids
from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime
from typing import Any, Final

from mithaq.exchange.misp import store
from mithaq.exchange.misp.errors import BadMisp, EventExists, NotYours
from mithaq.exchange.misp.keeping import Keeping, Overtaken, of_constituent
from mithaq.exchange.misp.model import Reader
from mithaq.exchange.misp.serving import Serving
from mithaq.exchange.misp.settings import MAX_VALUES
from mithaq.exchange.misp.taking import Event, Kept, uuids_of
from mithaq.exchange.taxii.posting import giver
from mithaq.intelligence.foreign import of_row
from mithaq.intelligence.model import ForeignEvent
from mithaq.kernel.database import Database
from mithaq.nations.constituents.model import Account
from mithaq.standards.misp.foreign import attributes_of
from mithaq.standards.misp.parts import number
from mithaq.standards.stix import is_uuid

NOT_NEWER: Final = "Event could not be saved: Event in the request not newer than the local copy."
_EXISTS: Final = "Event already exists, if you would like to edit it, use the url in the location header."
_LISTS: Final = ("Attribute", "Object", "EventReport")


class Writing:
    """Use cases of constituents' programs that give whole events."""

    def __init__(self, db: Database, serving: Serving, keeping: Keeping) -> None:
        self._db = db
        self._serving = serving
        self._keeping = keeping

    def add(self, account: Account, value: Any, body: bytes, at: datetime) -> Kept:
        """Take an event, or what of it is not refused; return it as it is kept.

        Raises:
            NotYours: the account may not write, or not where the event was given before.
            EventExists: the event was given before.
            BadMisp: it is no event that can be converted.
        """
        shelf = self._keeping.shelf(account)
        event, is_complete = self._completed(account.constituent, _event_in(value), at)
        with self._db.read() as connection:
            held = of_constituent(connection, account.constituent, event["uuid"])
        if held is not None:
            if account.collection not in (None, held.collection):
                raise NotYours(
                    "Event already exists in another collection than that of this account.", subject=event["uuid"]
                )
            raise EventExists(_EXISTS, subject=event["uuid"])
        try:
            file = body if is_complete else b""
            return self._keeping.keep(shelf, account, event, file, None, at, uuids_of(event))
        except Overtaken:
            raise EventExists(_EXISTS, subject=event["uuid"]) from None

    def edit(self, account: Account, uuid: str, value: Any, body: bytes, at: datetime) -> Kept:
        """Take a newer version of an event that this constituent gave; parts that it does not name stay.

        So do parts that are refused, as they were.

        Of two that come at once, one is kept first; the other is then newer than that, and kept on top of it, or it is
        refused as any that is not newer.

        Raises:
            UnknownEvent: this constituent gave no such event.
            NotYours: it may not write, the body is another event than the address names, or it is not newer.
            BadMisp: it is no event that can be converted.
        """
        changed = _event_in(value)
        if str(changed.get("uuid", uuid)).lower() != uuid.lower():
            raise NotYours("the event in the body is not the one that the address names", subject=uuid[:80])

        def newer(held: ForeignEvent, event: Event) -> tuple[Event, bytes]:
            if "timestamp" in changed and number(changed["timestamp"]) <= held.timestamp:
                raise NotYours(NOT_NEWER, subject=uuid[:80])
            merged = _merged(event, changed)
            merged["timestamp"] = str(changed.get("timestamp") or max(int(at.timestamp()), held.timestamp + 1))
            completed, _ = self._completed(account.constituent, merged, at)
            is_all = all(not event.get(name) for name in _LISTS) or completed == changed
            return completed, body if is_all and completed == changed else b""

        return self._keeping.change(account, lambda: self._keeping.held(account, uuid), newer, at)

    def delete(self, account: Account, uuid: str, at: datetime) -> None:
        """Take back an event that this constituent gave, with what came with it alone.

        Raises:
            UnknownEvent, NotYours: it gave none, or may not write.
        """
        self._keeping.remove(account, uuid, at)

    def demand_own(self, account: Account, uuid: str) -> None:
        """Let pass that a constituent publishes an event it gave: here each is, as soon as it is judged.

        Raises:
            UnknownEvent, NotYours: it gave none, or may not write.
        """
        self._keeping.shelf(account)
        self._keeping.held(account, uuid)

    def wanted(self, account: Account, value: Any, at: datetime) -> list[str]:
        """Return which of these events are wanted: new ones, and newer ones of those that this constituent gave.

        What this node itself serves to it is not wanted back; what others gave makes no difference.

        Raises:
            NotYours: it may not write, or it is not said where: nothing is wanted, and that is no success.
            BadMisp: it is no list of events.
        """
        self._keeping.shelf(account)
        if not isinstance(value, list) or len(value) > MAX_VALUES * 100:
            raise BadMisp("this is no list of events")
        with self._db.read() as connection:
            held = {row.uuid: of_row(row) for row in store.newest_events(connection, giver(account.constituent))}
        served = {head.uuid for head in self._serving.heads(Reader.of(account), at)} - held.keys()
        asked = {str(each.get("uuid", "")).lower(): each for each in map(_inner, value)}
        return [
            uuid
            for uuid, each in asked.items()
            if is_uuid(uuid) and uuid not in served and _is_newer(account, each, held.get(uuid))
        ]

    def _completed(self, constituent: str, given: Event, at: datetime) -> tuple[Event, bool]:
        """Return an event with what MISP's server would add to it, and whether nothing was missing."""
        event = deepcopy(given)
        event.setdefault("uuid", str(uuids.uuid4()))
        event["uuid"] = str(event["uuid"]).lower()
        event.setdefault("timestamp", str(int(at.timestamp())))
        event.setdefault("date", at.date().isoformat())
        event.setdefault("Orgc", {"name": constituent, "uuid": self._keeping.organisation(constituent)})
        if not is_uuid(event["uuid"]) or not event.get("info"):
            raise BadMisp("an event needs a title and a uuid")
        named = [each for name in _LISTS[:2] for each in event.get(name) or []]
        if not all(isinstance(each, dict) for each in named):
            raise BadMisp("an event's attributes and objects are JSON objects")
        for part in [*attributes_of(event), *(event.get("Attribute") or [])]:
            part.update(completed_attribute(part, at))
        return event, event == given


def completed_attribute(part: Event, at: datetime) -> Event:
    """Return an attribute with what MISP's server would add to it.

    Raises:
        BadMisp: it has no type or no value.
    """
    if not all(isinstance(part.get(key), str) and part[key] for key in ("type", "value")):
        raise BadMisp("an attribute needs a type and a value")
    return with_uuid(part, at)


def with_uuid(part: Event, at: datetime) -> Event:
    """Return a part with a uuid and a timestamp, where it has none."""
    return {"uuid": str(uuids.uuid4()), "timestamp": str(int(at.timestamp())), **part}


def _is_newer(account: Account, told: Event, held: ForeignEvent | None) -> bool:
    """Tell whether an event is new, or newer than the one that an account may change."""
    if held is None:
        return True
    return account.collection in (None, held.collection) and number(told.get("timestamp")) > held.timestamp


def _inner(value: Any) -> Event:
    found = value.get("Event", value) if isinstance(value, dict) else {}
    return found if isinstance(found, dict) else {}


def _event_in(value: Any) -> Event:
    event = _inner(value)
    if not event or not all(isinstance(event.get(name) or [], list) for name in (*_LISTS, "Tag")):
        raise BadMisp("this is no MISP event")
    return event


def _merged(held: Mapping[str, Any], changed: Mapping[str, Any]) -> Event:
    """Return an event with what a change names; parts that are known by their uuid and not named stay."""
    made = {**held, **changed}
    for name in _LISTS:
        named = [each for each in changed.get(name) or [] if isinstance(each, dict)]
        known = {str(each.get("uuid", "")).lower() for each in named}
        kept = [each for each in held.get(name) or [] if str(each.get("uuid", "")).lower() not in known]
        if kept or name in made:
            made[name] = [*kept, *named]
    return made
