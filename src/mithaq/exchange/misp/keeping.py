"""Look up and keep the events that constituents gave: one version follows another, decided where it is written.

Whatever a request names, one uuid is looked up, and only what was found under it is changed. An account that is
narrowed to one collection changes only what was given into that. A version is kept with all its objects in one
transaction, and only on top of the version that it was made of: of two that come at once the later one sees the
earlier one first. A part that is refused is left out of the version, or stays as it was in the one before, and is told.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from mithaq.exchange.event_versions import TAKEN_OUT
from mithaq.exchange.misp import store
from mithaq.exchange.misp.catalogue import Organisation
from mithaq.exchange.misp.errors import BadMisp, NotYours, UnknownEvent
from mithaq.exchange.misp.partly import Partly, narrowed, partly
from mithaq.exchange.misp.serving import demand_one
from mithaq.exchange.misp.settings import MAX_TRIES
from mithaq.exchange.misp.taking import Event, Kept, PartsRefused, leave_out, parts_refused, unseen
from mithaq.exchange.recalling import take_back_given
from mithaq.exchange.taxii.model import Shelf
from mithaq.exchange.taxii.posting import Posting, giver, least_terms, read_converted
from mithaq.exchange.taxii.store import shelves_of
from mithaq.intelligence import foreign
from mithaq.intelligence.foreign import of_row
from mithaq.intelligence.imports.misp import MEDIA_TYPE, ConvertedEvent, convert, terms_of_event
from mithaq.intelligence.model import ForeignEvent
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.store import lock
from mithaq.kernel.database import Database, Transaction
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.constituents.model import Account
from mithaq.standards.misp.mapping import derived
from mithaq.standards.misp.numbers import is_number, of_number
from mithaq.standards.misp.parts import find, parts

Change = Callable[[ForeignEvent, Event], tuple[Event, bytes]]
"""Make the next version of an event of the one that is held; with the bytes in which it came, if nothing was added."""

_ATTRIBUTE_TYPES: Final = ("indicator", "observed-data", "x-misp-attribute", "vulnerability", "attack-pattern")
_DELETED: Final = "its MISP event was deleted"


class Overtaken(Exception):
    """Another version of the event was kept since the one was read of which this one was made."""


class Keeping:
    """The events that constituents gave."""

    def __init__(self, db: Database, holdings: Holdings, posting: Posting, organisation: Organisation) -> None:
        self._db = db
        self._holdings = holdings
        self._posting = posting
        self._organisation = organisation

    def organisation(self, constituent: str) -> str:
        """Return the uuid of a constituent as an organisation of MISP."""
        return derived(self._organisation.uuid, "constituent", constituent)

    def takes(self, account: Account) -> bool:
        """Tell whether an account may write, and there is exactly one collection into which it may post."""
        with self._db.read() as connection:
            return len(writable(connection, account)) == 1

    def shelf(self, account: Account) -> Shelf:
        """Return where an account posts.

        Raises:
            NotYours: the account may not write, or there is no collection for it, or more than one.
        """
        with self._db.read() as connection:
            found = writable(connection, account)
        if not found:
            raise NotYours("You do not have permission to do that: no collection takes what this account posts.")
        if len(found) > 1:
            raise NotYours("several collections take posts and MISP cannot say which is meant: "
                           "a key for one of them is needed (--collection)")  # fmt: skip
        return found[0]

    def named(self, account: Account, named: str) -> str:
        """Return the uuid of an event that an account may change, which may be named by its number.

        Raises:
            UnknownEvent: it may change none of this number.
            BadMisp: several have it.
        """
        if not is_number(named):
            return named.lower()
        with self._db.read() as connection:
            found = list(of_number((each.uuid for each in _given(connection, account)), named))
        return _only(found, named)

    def named_part(self, account: Account, named: str) -> str:
        """Return the same of a part of such an event.

        Cost: for a number, all its events are read.
        """
        if not is_number(named):
            return named.lower()
        with self._db.read() as connection:
            events = [self._members(connection, each) for each in _given(connection, account)]
        uuids = {str(each.part.get("uuid", "")).lower() for event in events if event for each in parts(event[1])}
        return _only(list(of_number(uuids, named)), named)

    def held(self, account: Account, uuid: str) -> tuple[ForeignEvent, Event]:
        """Return the newest version of an event that an account may change, and its members, to be changed.

        Raises:
            UnknownEvent: its constituent gave no such event into a collection that the account opens.
        """
        with self._db.read() as connection:
            found = self._members(connection, given(connection, account, uuid.lower()))
        if found is None:
            raise UnknownEvent("no such event", subject=uuid[:80])
        return found

    def holding(self, account: Account, uuid: str) -> tuple[ForeignEvent, Event]:
        """Return the event of this uuid, or that in which a part of this uuid is.

        Cost: a part that became no object is looked for in the originals of this constituent's events.

        Raises:
            UnknownEvent: there is none that the account may change.
        """
        with self._db.read() as connection:
            if (own := self._members(connection, given(connection, account, uuid))) is not None:
                return own
            numbers = store.events_of(connection, [f"{kind}--{uuid}" for kind in _ATTRIBUTE_TYPES])
            for each in sorted(_given(connection, account), key=lambda one: one.id not in numbers):
                if each.id in numbers or uuid.encode() in foreign.original(connection, each).lower():
                    found = self._members(connection, each)
                    if found is not None and find(found[1], uuid) is not None:
                        return found
        raise UnknownEvent("no such event or attribute", subject=uuid[:80])

    def change(
        self,
        account: Account,
        look: Callable[[], tuple[ForeignEvent, Event]],
        change: Change,
        at: datetime,
        needs: Collection[str] = (),
    ) -> Kept:
        """Keep the next version of an event; where somebody else kept one meanwhile, make it of that.

        `needs`: uuids of the parts for which it is made.

        Raises:
            UnknownEvent, NotYours, BadMisp: what `look` and `change` say, or `keep`.
        """
        shelf = self.shelf(account)
        for _ in range(MAX_TRIES):
            held, event = look()
            made, body = change(held, event)
            try:
                return self.keep(shelf, account, made, body, held.id, at, needs)
            except Overtaken:
                continue
        raise NotYours("the event was changed again and again meanwhile: try it later")

    def keep(
        self,
        shelf: Shelf,
        account: Account,
        event: Event,
        body: bytes,
        base: int | None,
        at: datetime,
        needs: Collection[str] = (),
    ) -> Kept:
        """Convert and keep an event without the parts that are refused.

        `body`: the bytes in which it came, if nothing was added to it. `base`: the number of the version of which it
        was made, None for an event that was not there. `needs`: uuids of parts, of which at least one must be taken.

        Cost: where few of many parts changed these alone are converted and stored, else the whole event; and it again
        where a part is refused.

        Raises:
            Overtaken: another version is the newest by now; nothing was kept.
            NotYours: all of the parts that are needed are refused.
            BadMisp: it cannot be converted.
        """
        refused: dict[str, str] = {}
        before = self._before(account, event, base)
        while True:
            file = body or msgspec.json.encode({"Event": event})
            made = self._partly(account, before, event) or Partly(event, _converted(file))
            try:
                return self._kept(shelf, account, event, file, made, base, at, refused)
            except PartsRefused as error:
                refused |= error.refused
            if needs and refused.keys() >= set(needs):
                first, reason = next(iter(refused.items()))
                raise NotYours("%(count)s objects of the event were refused: %(object)s: %(reason)s",
                               count=len(refused), object=first, reason=reason)  # fmt: skip
            leave_out(event, before, refused)
            body = b""

    def _kept(
        self,
        shelf: Shelf,
        account: Account,
        event: Event,
        file: bytes,
        made: Partly,
        base: int | None,
        at: datetime,
        left_out: Mapping[str, str],
    ) -> Kept:
        read = read_converted(made.converted.bodies, at)
        with self._db.write(at) as tx:
            lock(tx)
            before = of_constituent(tx.connection, account.constituent, str(event["uuid"]))
            if (before.id if before else None) != base:
                raise Overtaken
            original = self._holdings.keep_original(tx, MEDIA_TYPE, file)
            terms = terms_of_event(replace(least_terms(shelf), original=original), made.converted)
            refused = self._posting.take_converted(tx, shelf, account, read, terms)
            known = foreign.object_ids(tx.connection, before.id) if before else frozenset()
            if refused:
                earlier = self._members(tx.connection, before)
                if found := parts_refused(event, earlier[1] if earlier else None, refused):
                    raise PartsRefused(found)
            read_event = foreign.new_event(
                event, made.converted.bodies, 0, original, giver(shelf.constituent), ACTUAL, shelf.collection.id
            )
            if read_event is None:
                raise BadMisp("an event needs a uuid and a timestamp")
            new = made.joined(read_event, before, known)
            foreign.keep(tx, new)
            self._take_back(tx, account, known, TAKEN_OUT)
        rest = {each: why for each, why in refused.items() if each not in known}
        return Kept(event, {**left_out, **rest}, unseen(made.event, made.converted))

    def _before(self, account: Account, event: Event, base: int | None) -> Event | None:
        """Return the version of which an event was made."""
        if base is None:
            return None
        with self._db.read() as connection:
            found = self._members(connection, of_constituent(connection, account.constituent, str(event["uuid"])))
        return found[1] if found and found[0].id == base else None

    def _partly(self, account: Account, before: Event | None, event: Event) -> Partly | None:
        """Convert what changed of an event, None where it is to be converted as a whole."""
        narrow = narrowed(before, event) if before is not None else None
        return partly(narrow, lambda each: self._said(account, each), _converted) if narrow is not None else None

    def _said(self, account: Account, stix_id: str) -> bytes | None:
        """Return an object as an account's constituent said it last, None where that word does not stand."""
        with self._db.read() as connection:
            for held in self._holdings.get(connection, stix_id, ACTUAL):
                words = [each for each in held.provenance if each.nation == giver(account.constituent)]
                if any(each.standing == "stands" for each in words):
                    return held.body
        return None

    def remove(self, account: Account, uuid: str, at: datetime) -> None:
        """Take back an event that an account may change, with every word that came with it alone.

        Raises:
            UnknownEvent, NotYours: it gave none, or may not write.
        """
        self.shelf(account)
        with self._db.write(at) as tx:
            lock(tx)
            held = given(tx.connection, account, uuid.lower())
            if held is None:
                raise UnknownEvent("no such event", subject=uuid[:80])
            ids = foreign.object_ids(tx.connection, held.id)
            foreign.forget(tx, held)
            self._take_back(tx, account, ids, _DELETED)

    def _take_back(self, tx: Transaction, account: Account, ids: Iterable[str], reason: str) -> None:
        """Take back what stands in no newest event of this constituent."""
        name = NationId(giver(account.constituent))
        gone = sorted(foreign.given_no_more(tx.connection, ids, ACTUAL, name))
        take_back_given(tx, self._holdings, gone, ACTUAL, name, reason, partial(_is_said, account))

    def _members(self, connection: Connection, held: ForeignEvent | None) -> tuple[ForeignEvent, Event] | None:
        try:
            return None if held is None else (held, foreign.members(connection, held))
        except LookupError:  # its file was erased
            return None


def writable(connection: Connection, account: Account) -> list[Shelf]:
    """Return the shelves into which an account may post."""
    shelves = shelves_of(connection, account.constituent, account.collection) if account.may_write else []
    return [shelf for shelf in shelves if shelf.collection.can_write]


def given(connection: Connection, account: Account, uuid: str) -> ForeignEvent | None:
    """Return an event of the account's constituent, if it was given into a collection that the account opens."""
    found = of_constituent(connection, account.constituent, uuid)
    return found if found is not None and account.collection in (None, found.collection) else None


def _given(connection: Connection, account: Account) -> list[ForeignEvent]:
    """Return the newest versions of all events that an account may change."""
    events = [of_row(row) for row in store.newest_events(connection, giver(account.constituent))]
    return [each for each in events if account.collection in (None, each.collection)]


def _only(uuids: Collection[str], named: str) -> str:
    demand_one(uuids)
    for uuid in uuids:
        return uuid
    raise UnknownEvent("no such event or attribute", subject=named)


def of_constituent(connection: Connection, constituent: str, uuid: str) -> ForeignEvent | None:
    """Return the newest version of an event that a constituent gave, into whatever collection."""
    name = giver(constituent)
    return next((each for each in foreign.of_uuid(connection, uuid, ACTUAL) if each.nation == name), None)


def _converted(file: bytes) -> ConvertedEvent:
    converted = convert(file)
    if len(converted) != 1 or converted[0].failure:
        detail = converted[0].failure if converted else ""
        raise BadMisp("the event could not be converted: %(detail)s", detail=detail[:300])
    return converted[0]


def _is_said(account: Account, _source: str, carried: Mapping[str, Any]) -> bool:
    """Tell whether an account may take back a word of its constituent: one said into a collection that it opens."""
    return account.collection in (None, carried.get("collection"))
