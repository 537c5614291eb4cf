"""Look up and keep the events that constituents gave: one version follows another, decided where it is written.

Whatever a request names, one uuid is looked up, and only what was found under it is changed. An account that is
narrowed to one collection changes only what was given into that. A version is kept with all its objects in one
transaction, and only on top of the version that it was made of: of two that come at once the later one sees the
earlier one first.
"""

from collections.abc import Callable, Iterable, Mapping
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
from mithaq.exchange.misp.settings import MAX_TRIES
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
from mithaq.standards.misp.parts import find

Event = dict[str, Any]
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
            raise NotYours("several collections take posts: MISP cannot say which is meant")
        return found[0]

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
            events = [of_row(row) for row in store.newest_events(connection, giver(account.constituent))]
            mine = [each for each in events if account.collection in (None, each.collection)]
            for each in sorted(mine, key=lambda one: one.id not in numbers):
                if each.id in numbers or uuid.encode() in foreign.original(connection, each).lower():
                    found = self._members(connection, each)
                    if found is not None and find(found[1], uuid) is not None:
                        return found
        raise UnknownEvent("no such event or attribute", subject=uuid[:80])

    def change(
        self, account: Account, look: Callable[[], tuple[ForeignEvent, Event]], change: Change, at: datetime
    ) -> Event:
        """Keep the next version of an event; where somebody else kept one meanwhile, make it of that.

        Raises:
            UnknownEvent, NotYours, BadMisp: what `look` and `change` say, or `keep`.
        """
        shelf = self.shelf(account)
        for _ in range(MAX_TRIES):
            held, event = look()
            made, body = change(held, event)
            try:
                return self.keep(shelf, account, made, body, held.id, at)
            except Overtaken:
                continue
        raise NotYours("the event was changed again and again meanwhile: try it later")

    def keep(self, shelf: Shelf, account: Account, event: Event, body: bytes, base: int | None, at: datetime) -> Event:
        """Convert and keep an event, wholly or not at all.

        `body`: the bytes in which it came, if nothing was added to it. `base`: the number of the version of which it
        was made, None for an event that was not there.

        Raises:
            Overtaken: another version is the newest by now; nothing was kept.
            NotYours, BadMisp: one of its objects is refused, or it cannot be converted.
        """
        file = body or msgspec.json.encode({"Event": event})
        converted = _converted(file)
        read = read_converted(converted.bodies, at)
        with self._db.write(at) as tx:
            lock(tx)
            before = of_constituent(tx.connection, account.constituent, str(event["uuid"]))
            if (before.id if before else None) != base:
                raise Overtaken
            original = self._holdings.keep_original(tx, MEDIA_TYPE, file)
            terms = terms_of_event(replace(least_terms(shelf), original=original), converted)
            refused = self._posting.take_converted(tx, shelf, account, read, terms)
            if refused:
                first, reason = next(iter(refused.items()))
                raise NotYours("%(count)s objects of the event were refused: %(object)s: %(reason)s",
                               count=len(refused), object=first, reason=reason)  # fmt: skip
            made = foreign.new_event(
                event, converted.bodies, 0, original, giver(shelf.constituent), ACTUAL, shelf.collection.id
            )
            if made is None:
                raise BadMisp("an event needs a uuid and a timestamp")
            foreign.keep(tx, made)
            self._take_back(tx, account, foreign.object_ids(tx.connection, before.id) if before else (), TAKEN_OUT)
        return event

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
