"""What a constituent's MISP writes: events and changes of its own events, as its own word and nobody else's.

Whatever a request names, one uuid is looked up, and only what was found under it is changed. An account that is
narrowed to one collection changes only what was given into that.
"""

import uuid as uuids
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from mithaq.exchange.misp import store
from mithaq.exchange.misp.errors import BadMisp, NotYours, UnknownEvent
from mithaq.exchange.misp.model import Reader
from mithaq.exchange.misp.serving import Serving
from mithaq.exchange.misp.settings import MAX_VALUES
from mithaq.exchange.misp.sighting import Sightings
from mithaq.exchange.recalling import take_back
from mithaq.exchange.taxii.model import Shelf
from mithaq.exchange.taxii.posting import Posting, giver, least_terms
from mithaq.exchange.taxii.store import shelves_of
from mithaq.intelligence import foreign
from mithaq.intelligence.foreign import of_row
from mithaq.intelligence.imports.misp import MEDIA_TYPE, convert, terms_of_event
from mithaq.intelligence.model import ForeignEvent, Provenance
from mithaq.intelligence.service import Holdings
from mithaq.kernel.database import Database
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.constituents.model import Account
from mithaq.standards.misp.foreign import attributes_of
from mithaq.standards.misp.mapping import derived
from mithaq.standards.stix import is_uuid

Event = dict[str, Any]
_NOT_NEWER: Final = "Event could not be saved: Event in the request not newer than the local copy."
_ATTRIBUTE_TYPES: Final = ("indicator", "observed-data", "x-misp-attribute", "vulnerability", "attack-pattern")
_LISTS: Final = ("Attribute", "Object", "EventReport")


class Writing:
    """Use cases of constituents' programs that write in MISP's words."""

    def __init__(self, db: Database, holdings: Holdings, posting: Posting, serving: Serving) -> None:
        self._db = db
        self._holdings = holdings
        self._posting = posting
        self._serving = serving
        self._sightings = Sightings(db, holdings, posting, serving)

    def organisation(self, constituent: str) -> str:
        """Return the uuid of a constituent as an organisation of MISP."""
        return derived(self._serving.organisation.uuid, "constituent", constituent)

    def takes(self, account: Account) -> bool:
        """Tell whether an account may write, and there is exactly one collection into which it may post."""
        with self._db.read() as connection:
            return len(_writable(connection, account)) == 1

    def add(self, account: Account, value: Any, body: bytes, at: datetime) -> Event:
        """Take an event; return it as it is kept.

        Raises:
            NotYours: the account may not write, or the event was given before.
            BadMisp: it is no event that can be converted.
        """
        shelf = self._shelf(account)
        event, is_complete = self._completed(account.constituent, _event_in(value), at)
        with self._db.read() as connection:
            given = _of_constituent(connection, account.constituent, event["uuid"])
        if given is not None:
            if account.collection not in (None, given.collection):
                raise NotYours(
                    "Event already exists in another collection than that of this account.", subject=event["uuid"]
                )
            raise NotYours("Event already exists, edit it instead.", subject=event["uuid"])
        return self._save(shelf, account, event, body if is_complete else b"", at)

    def edit(self, account: Account, uuid: str, value: Any, body: bytes, at: datetime) -> Event:
        """Take a newer version of an event that this constituent gave; parts that it does not name stay.

        Raises:
            UnknownEvent: this constituent gave no such event.
            NotYours: it may not write, the body is another event than the address names, or it is not newer.
            BadMisp: it is no event that can be converted.
        """
        shelf = self._shelf(account)
        changed = _event_in(value)
        if str(changed.get("uuid", uuid)).lower() != uuid.lower():
            raise NotYours("the event in the body is not the one that the address names", subject=uuid[:80])
        held, event = self._held(account, uuid)
        if "timestamp" in changed and _number(changed["timestamp"]) <= held.timestamp:
            raise NotYours(_NOT_NEWER, subject=uuid[:80])
        merged = _merged(event, changed)
        merged["timestamp"] = str(changed.get("timestamp") or max(int(at.timestamp()), held.timestamp + 1))
        completed, _ = self._completed(account.constituent, merged, at)
        is_all = all(not event.get(name) for name in _LISTS) or completed == changed
        return self._save(shelf, account, completed, body if is_all and completed == changed else b"", at)

    def add_attributes(self, account: Account, uuid: str, value: Any, at: datetime) -> Any:
        """Add one attribute, or several, to an event that this constituent gave; return them as they are kept.

        Raises:
            UnknownEvent, NotYours, BadMisp: as for `edit`.
        """
        shelf = self._shelf(account)
        held, event = self._held(account, uuid)
        if isinstance(value, dict) and "Attribute" in value:
            value = value["Attribute"]
        given = value if isinstance(value, list) else [value]
        if not 0 < len(given) <= MAX_VALUES or not all(isinstance(each, dict) for each in given):
            raise BadMisp("this is no attribute")
        made = [_with_uuid(each, at) for each in given]
        event["Attribute"] = [*(event.get("Attribute") or []), *made]
        self._save_later(shelf, account, held, event, at)
        return made if isinstance(value, list) else made[0]

    def tag(self, account: Account, asked: Mapping[str, Any], at: datetime, *, attach: bool) -> dict[str, Any]:
        """Attach a tag to an event that this constituent gave or to one of its attributes, or take it away.

        Raises:
            UnknownEvent, NotYours, BadMisp: as for `edit`; a local tag is kept nowhere.
        """
        shelf = self._shelf(account)
        uuid, name = str(asked.get("uuid", "")).lower(), asked.get("tag")
        if not is_uuid(uuid) or not isinstance(name, str) or not name.strip() or len(name) > 500:
            raise BadMisp("a tag needs a uuid and a name")
        if attach and asked.get("local") in (True, 1, "1"):
            raise NotYours("a local tag would stay at home: this node keeps none")
        held, event = self._holding(account, uuid)
        target = event if held.uuid == uuid else next(a for a in attributes_of(event) if a.get("uuid") == uuid)
        held_tags = target["Tag"] if isinstance(target.get("Tag"), list) else []
        tags = [each for each in held_tags if not (isinstance(each, dict) and each.get("name") == name)]
        target["Tag"] = [*tags, {"name": name}] if attach else tags
        if target is not event:
            target["timestamp"] = str(max(int(at.timestamp()), _number(target.get("timestamp")) + 1))
        self._save_later(shelf, account, held, event, at)
        word = "attached" if attach else "removed"
        return {"saved": True, "success": f"Tag {word}.", "check_publish": True, "name": f"Tag {word}."}

    def demand_own(self, account: Account, uuid: str) -> None:
        """Let pass that a constituent publishes an event it gave: here each is, as soon as it is judged.

        Raises:
            UnknownEvent, NotYours: it gave none, or may not write.
        """
        self._shelf(account)
        self._held(account, uuid)

    def wanted(self, account: Account, value: Any, at: datetime) -> list[str]:
        """Return which of these events are wanted: new ones, and newer ones of those that this constituent gave.

        What this node itself serves to it is not wanted back; what others gave makes no difference.

        Raises:
            BadMisp: it is no list of events.
        """
        if not isinstance(value, list) or len(value) > MAX_VALUES * 100:
            raise BadMisp("this is no list of events")
        with self._db.read() as connection:
            if len(_writable(connection, account)) != 1:
                return []
            given = {row.uuid: of_row(row) for row in store.newest_events(connection, giver(account.constituent))}
        served = {head.uuid for head in self._serving.heads(Reader.of(account), at)} - given.keys()
        asked = {str(each.get("uuid", "")).lower(): each for each in map(_inner, value)}
        return [
            uuid
            for uuid, each in asked.items()
            if is_uuid(uuid) and uuid not in served and _is_newer(account, each, given.get(uuid))
        ]

    def sight(self, account: Account, asked: Mapping[str, Any], about: str, at: datetime) -> Any:
        """Take a sighting of an attribute or a value that this constituent was given; see `Sightings.add`."""
        return self._sightings.add(self._shelf(account), account, asked, about, at)

    def sightings(self, account: Account, asked: Mapping[str, Any], context: str, at: datetime) -> list[dict[str, Any]]:
        """Return one page of sightings; see `Sightings.of`."""
        return self._sightings.of(Reader.of(account), asked, context, at)

    def wanted_sightings(self, account: Account, uuid: str, value: Any, at: datetime) -> list[str]:
        """Return which of these sightings this constituent has not given yet; see `Sightings.wanted`."""
        return self._sightings.wanted(Reader.of(account), uuid, value, at)

    def save_sightings(self, account: Account, uuid: str, value: Any, at: datetime) -> int:
        """Take sightings of an event's attributes; see `Sightings.save`."""
        return self._sightings.save(self._shelf(account), account, uuid, value, at)

    def _shelf(self, account: Account) -> Shelf:
        """Return where an account posts.

        Raises:
            NotYours: the account may not write, or there is no collection for it, or more than one.
        """
        with self._db.read() as connection:
            found = _writable(connection, account)
        if not found:
            raise NotYours("You do not have permission to do that: no collection takes what this account posts.")
        if len(found) > 1:
            raise NotYours("several collections take posts: MISP cannot say which is meant")
        return found[0]

    def _held(self, account: Account, uuid: str) -> tuple[ForeignEvent, Event]:
        """Return the newest version of an event that an account may change, and its members, to be changed."""
        with self._db.read() as connection:
            held = _given(connection, account, uuid.lower())
            if held is None:
                raise UnknownEvent("no such event", subject=uuid[:80])
            try:
                return held, foreign.members(connection, held)
            except LookupError as error:  # its file was erased
                raise UnknownEvent("no such event", subject=uuid[:80]) from error

    def _holding(self, account: Account, uuid: str) -> tuple[ForeignEvent, Event]:
        """Return the event of this uuid, or that in which an attribute of this uuid is."""
        with self._db.read() as connection:
            if _given(connection, account, uuid) is not None:
                return self._held(account, uuid)
            numbers = store.events_of(connection, [f"{kind}--{uuid}" for kind in _ATTRIBUTE_TYPES])
            events = [of_row(row) for row in store.newest_events(connection, giver(account.constituent))]
        for each in events:
            if each.id in numbers and account.collection in (None, each.collection):
                held, event = self._held(account, each.uuid)
                if any(part.get("uuid") == uuid for part in attributes_of(event)):
                    return held, event
        raise UnknownEvent("no such event or attribute", subject=uuid)

    def _completed(self, constituent: str, given: Event, at: datetime) -> tuple[Event, bool]:
        """Return an event with what MISP's server would add to it, and whether nothing was missing."""
        event = deepcopy(given)
        event.setdefault("uuid", str(uuids.uuid4()))
        event["uuid"] = str(event["uuid"]).lower()
        event.setdefault("timestamp", str(int(at.timestamp())))
        event.setdefault("date", at.date().isoformat())
        event.setdefault("Orgc", {"name": constituent, "uuid": self.organisation(constituent)})
        if not is_uuid(event["uuid"]) or not event.get("info"):
            raise BadMisp("an event needs a title and a uuid")
        named = [each for name in _LISTS[:2] for each in event.get(name) or []]
        if not all(isinstance(each, dict) for each in named):
            raise BadMisp("an event's attributes and objects are JSON objects")
        for part in [*attributes_of(event), *(event.get("Attribute") or [])]:
            if not all(isinstance(part.get(key), str) and part[key] for key in ("type", "value")):
                raise BadMisp("an attribute needs a type and a value")
            part.update(_with_uuid(part, at))
        return event, event == given

    def _save_later(self, shelf: Shelf, account: Account, held: ForeignEvent, event: Event, at: datetime) -> None:
        event["timestamp"] = str(max(int(at.timestamp()), held.timestamp + 1))
        self._save(shelf, account, event, b"", at)

    def _save(self, shelf: Shelf, account: Account, event: Event, body: bytes, at: datetime) -> Event:
        """Convert and store an event; `body`: the bytes in which it came, if nothing was added to it."""
        file = body or msgspec.json.encode({"Event": event})
        converted = convert(file)
        if len(converted) != 1 or converted[0].failure:
            detail = converted[0].failure if converted else ""
            raise BadMisp("the event could not be converted: %(detail)s", detail=detail[:300])
        name = giver(shelf.constituent)
        with self._db.write(at) as tx:
            original = self._holdings.keep_original(tx, MEDIA_TYPE, file)
        terms = terms_of_event(replace(least_terms(shelf), original=original), converted[0])
        refused = self._posting.post_converted(shelf, account, converted[0].bodies, terms, at)
        if refused:
            first, reason = next(iter(refused.items()))
            raise NotYours("%(count)s objects of the event were refused: %(object)s: %(reason)s",
                           count=len(refused), object=first, reason=reason)  # fmt: skip
        made = foreign.new_event(event, converted[0].bodies, 0, original, name, ACTUAL, shelf.collection.id)
        if made is None:
            raise BadMisp("an event needs a uuid and a timestamp")
        with self._db.write(at) as tx:
            before = _given(tx.connection, account, made.uuid)
            number = foreign.keep(tx, made)
            gone = foreign.object_ids(tx.connection, before.id) - made.object_ids if before else frozenset()
            newest = {row.id for row in store.newest_events(tx.connection, name)} - {number}
            for each in sorted(gone):
                if newest.isdisjoint(store.events_of(tx.connection, [each])):
                    held = self._holdings.get(tx.connection, each, ACTUAL)
                    mine = [version.row for version in held if any(_is_said(by, account) for by in version.provenance)]
                    take_back(tx, self._holdings, each, ACTUAL, name, "taken out of its MISP event", only=mine)
        return event


def _writable(connection: Connection, account: Account) -> list[Shelf]:
    shelves = shelves_of(connection, account.constituent, account.collection) if account.may_write else []
    return [shelf for shelf in shelves if shelf.collection.can_write]


def _given(connection: Connection, account: Account, uuid: str) -> ForeignEvent | None:
    """Return an event of the account's constituent, if it was given into a collection that the account opens."""
    found = _of_constituent(connection, account.constituent, uuid)
    return found if found is not None and account.collection in (None, found.collection) else None


def _of_constituent(connection: Connection, constituent: str, uuid: str) -> ForeignEvent | None:
    name = giver(constituent)
    return next((each for each in foreign.of_uuid(connection, uuid, ACTUAL) if each.nation == name), None)


def _is_newer(account: Account, told: Event, given: ForeignEvent | None) -> bool:
    """Tell whether an event is new, or newer than the one that an account may change."""
    if given is None:
        return True
    return account.collection in (None, given.collection) and _number(told.get("timestamp")) > given.timestamp


def _is_said(word: Provenance, account: Account) -> bool:
    """Tell whether an account may take a word back: its constituent's, said into a collection that it opens."""
    return word.nation == giver(account.constituent) and account.collection in (None, word.carried.get("collection"))


def _inner(value: Any) -> Event:
    found = value.get("Event", value) if isinstance(value, dict) else {}
    return found if isinstance(found, dict) else {}


def _event_in(value: Any) -> Event:
    event = _inner(value)
    if not event or not all(isinstance(event.get(name) or [], list) for name in (*_LISTS, "Tag")):
        raise BadMisp("this is no MISP event")
    return event


def _merged(held: Event, changed: Event) -> Event:
    """Return an event with what a change names; parts that are known by their uuid and not named stay."""
    made = {**held, **changed}
    for name in _LISTS:
        named = [each for each in changed.get(name) or [] if isinstance(each, dict)]
        known = {str(each.get("uuid", "")).lower() for each in named}
        kept = [each for each in held.get(name) or [] if str(each.get("uuid", "")).lower() not in known]
        if kept or name in made:
            made[name] = [*kept, *named]
    return made


def _with_uuid(part: Event, at: datetime) -> Event:
    return {"uuid": str(uuids.uuid4()), "timestamp": str(int(at.timestamp())), **part}


def _number(value: Any) -> int:
    text = str(value)
    return int(text) if text.isdecimal() and len(text) < 16 else 0
