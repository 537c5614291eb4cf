"""Make collections, and say who reads them."""

import re
import uuid
from collections.abc import Collection as Group
from datetime import datetime, timedelta
from typing import Final, get_args

from sqlalchemy import Connection

from mithaq.agreements.vocabulary import Purpose
from mithaq.exchange.taxii import store
from mithaq.exchange.taxii.errors import BadCollection, UnknownCollection
from mithaq.exchange.taxii.model import Collection, Shelf
from mithaq.kernel.database import Database, Transaction
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.constituents.model import Account
from mithaq.nations.constituents.service import Constituents
from mithaq.nations.people.audit import audit
from mithaq.release.model import PERMITTED_ACTIONS
from mithaq.standards.tlp import Tlp

CHANGED = "exchange.collections"
_ALIAS: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,249}")
_ALIAS_CHARACTERS: Final = range(3, 64)
_MAX_TITLE: Final = 200
_MAX_DESCRIPTION: Final = 2_000


class Collections:
    """Use cases about collections and their audience."""

    def __init__(self, db: Database, constituents: Constituents) -> None:
        self._db = db
        self._constituents = constituents

    def add(
        self,
        alias: str,
        title: str,
        at: datetime,
        *,
        description: str = "",
        audience: Group[str] = (),
        purpose: str = "defence",
        action: str = "internally-visible-actions",
        types: Group[str] = (),
        labels: Group[str] = (),
        can_read: bool = True,
        can_write: bool = False,
        floor: Tlp = Tlp.AMBER,
        by: str = "operator",
    ) -> Collection:
        """Make a collection; without an audience nobody sees it.

        Raises:
            BadCollection: a part of it cannot be used, or its alias or title is taken.
            UnknownConstituent: one of the audience is not known here.
        """
        made = Collection(
            str(uuid.uuid4()),
            alias,
            title,
            description,
            purpose,
            PERMITTED_ACTIONS.index(action) if action in PERMITTED_ACTIONS else -1,
            frozenset(types),
            frozenset(labels),
            can_read,
            can_write,
            floor,
            at,
        )
        _demand_usable(made)
        with self._db.write(at) as tx:
            if any(alias in (each.alias, each.id) or title == each.title for each in store.all_of(tx.connection)):
                raise BadCollection("there is a collection of this alias or title already", subject=alias)
            store.add_collection(tx, made)
            for each in sorted(set(audience)):
                self._constituents.get(tx.connection, each)
                store.add_shelf(tx, made.id, each)
            _say(tx, made, by, "collection.add")
        return made

    def get(self, connection: Connection, name: str) -> Collection:
        """Return a collection by its id or alias.

        Raises:
            UnknownCollection: there is none.
        """
        found = store.find(connection, name)
        if found is None:
            raise UnknownCollection("no such collection", subject=name[:80])
        return found

    def all(self) -> list[Collection]:
        """Return every collection, by title."""
        with self._db.read() as connection:
            return store.all_of(connection)

    def audience(self, name: str) -> list[Shelf]:
        """Return the shelves of a collection, one for each constituent.

        Raises:
            UnknownCollection: there is none.
        """
        with self._db.read() as connection:
            wanted = self.get(connection, name).id
            return [shelf for shelf in store.open_shelves(connection) if shelf.collection.id == wanted]

    def add_account(
        self,
        constituent_id: str,
        name: str,
        lifetime: timedelta,
        at: datetime,
        *,
        door: str | None = None,
        collection: str | None = None,
        may_write: bool = False,
        misp_version: str | None = None,
        by: str = "operator",
    ) -> tuple[Account, str]:
        """Give a constituent an account for one door, or one collection (its id or alias); return it with its secret.

        Raises:
            UnknownCollection, UnknownConstituent: there is none.
            BadCollection: the constituent is not in the audience of the collection.
            BadConstituent: the name or the version of MISP cannot be used, or there is no such door.
        """
        narrowed = None
        if collection is not None:
            with self._db.read() as connection:
                narrowed = self.get(connection, collection).id
                if not store.shelves_of(connection, constituent_id, narrowed):
                    raise BadCollection("the constituent is not in its audience", subject=collection[:80])
        return self._constituents.add_account(
            constituent_id,
            name,
            lifetime,
            at,
            may_write=may_write,
            door=door,
            collection=narrowed,
            misp_version=misp_version,
            by=by,
        )

    def allow(self, name: str, constituent_id: str, at: datetime, *, by: str = "operator") -> None:
        """Take a constituent into the audience of a collection; one that is in it stays.

        Raises:
            UnknownCollection, UnknownConstituent: there is none.
            BadCollection: it is closed.
        """
        with self._db.write(at) as tx:
            collection = self.get(tx.connection, name)
            if collection.closed_at:
                raise BadCollection("the collection is closed", subject=collection.alias)
            self._constituents.get(tx.connection, constituent_id)
            if _shelf(tx, collection, constituent_id) is None:
                store.add_shelf(tx, collection.id, constituent_id)
                _say(tx, collection, by, "collection.allow", constituent_id)

    def exclude(self, name: str, constituent_id: str, at: datetime, *, by: str = "operator") -> None:
        """Take a constituent out of the audience of a collection.

        Raises:
            UnknownCollection: there is none.
            BadCollection: the constituent is not in its audience.
        """
        with self._db.write(at) as tx:
            collection = self.get(tx.connection, name)
            shelf = _shelf(tx, collection, constituent_id)
            if shelf is None:
                raise BadCollection("the constituent is not in its audience", subject=collection.alias)
            store.drop_shelf(tx, shelf.id)
            _say(tx, collection, by, "collection.exclude", constituent_id)

    def close(self, name: str, at: datetime, *, by: str = "operator") -> None:
        """Close a collection for good.

        Raises:
            UnknownCollection: there is none.
        """
        with self._db.write(at) as tx:
            collection = self.get(tx.connection, name)
            store.close(tx, collection.id)
            _say(tx, collection, by, "collection.close")


def _shelf(tx: Transaction, collection: Collection, constituent_id: str) -> Shelf | None:
    of_them = store.shelves_of(tx.connection, constituent_id)
    return next((shelf for shelf in of_them if shelf.collection.id == collection.id), None)


def _demand_usable(made: Collection) -> None:
    if len(made.alias) not in _ALIAS_CHARACTERS or not _ALIAS.fullmatch(made.alias):
        raise BadCollection(
            "an alias has 3 to 63 small letters, digits and single hyphens, and begins with a letter",
            subject=made.alias[:80],
        )
    if not made.title.strip() or len(made.title) > _MAX_TITLE or not made.title.isprintable():
        raise BadCollection("a title has 1 to %(limit)s printable characters", limit=_MAX_TITLE)
    if len(made.description) > _MAX_DESCRIPTION:
        raise BadCollection("a description has at most %(limit)s characters", limit=_MAX_DESCRIPTION)
    if made.purpose not in get_args(Purpose) or made.action < 0:
        raise BadCollection("agreements know no such purpose or action", subject=made.alias)
    if not all(_TYPE.fullmatch(each) for each in made.types):
        raise BadCollection("this is no type of STIX", subject=made.alias)
    if not (made.can_read or made.can_write):
        raise BadCollection("a collection is to be read, or written, or both", subject=made.alias)


def _say(tx: Transaction, collection: Collection, by: str, action: str, constituent_id: str = "") -> None:
    detail = {"change": action.partition(".")[2]} | ({"constituent": constituent_id} if constituent_id else {})
    tx.append(CHANGED, subject=collection.id, lane=ACTUAL, actor=by, detail=detail)
    audit(tx, actor=by, action=action, subject=collection.id)
