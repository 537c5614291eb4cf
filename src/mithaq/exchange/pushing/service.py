"""Write down to which constituents' MISP events are pushed."""

from collections.abc import Collection
from datetime import datetime

from mithaq.exchange.pushing import store
from mithaq.exchange.pushing.errors import UnknownTarget
from mithaq.exchange.pushing.model import HEADER, Last, Sent, Target
from mithaq.exchange.sources.credentials import Credential, Vault, demand_usable
from mithaq.exchange.sources.errors import BadSource
from mithaq.exchange.sources.rules import refusal
from mithaq.kernel.database import Database, Transaction
from mithaq.kernel.ids import new_id
from mithaq.nations.constituents.service import Constituents
from mithaq.nations.people.audit import audit
from mithaq.nations.people.errors import raised


class Targets:
    """Use cases about where events are pushed to."""

    def __init__(self, db: Database, constituents: Constituents, vault: Vault) -> None:
        self._db = db
        self._constituents = constituents
        self._vault = vault

    def add(
        self, constituent: str, address: str, key: str, at: datetime, *, flags: Collection[str] = (), by: str
    ) -> Target:
        """Name a constituent's MISP and the key of a sync user there; an earlier one is replaced.

        Raises:
            UnknownConstituent: there is none of this id.
            BadSource: nothing can be sent to this address, or the key cannot travel.
        """
        with self._db.read() as connection:
            self._constituents.get(connection, constituent)
        target = Target(new_id("target"), constituent, address, frozenset(flags), at)
        if reason := refusal(target.place):
            raise raised(BadSource, reason, constituent[:80])
        credential = Credential("header", key, header=HEADER)
        demand_usable(credential)
        sealed = self._vault.seal(target.place, credential)
        with self._db.write(at) as tx:
            store.keep(tx, target, sealed)
            _say(tx, constituent, by, "add")
        return target

    def all(self) -> list[Target]:
        """Return every target, by constituent."""
        with self._db.read() as connection:
            return store.all_of(connection)

    def standing(self, constituent: str, limit: int) -> tuple[Target, Last | None, list[Sent]]:
        """Return a target, what the last push to it came to, and the events that left for it, the newest first.

        Raises:
            UnknownTarget: nothing is pushed to it.
        """
        with self._db.read() as connection:
            found = store.find(connection, constituent)
            if found is None:
                raise UnknownTarget("nothing is pushed to this constituent", subject=constituent[:80])
            return found[0], store.last_of(connection, constituent), store.newest(connection, constituent, limit)

    def remove(self, constituent: str, at: datetime, *, by: str) -> None:
        """Push to a constituent no more; its key is deleted. What it was given stays there.

        Raises:
            UnknownTarget: nothing is pushed to it.
        """
        with self._db.write(at) as tx:
            if store.find(tx.connection, constituent) is None:
                raise UnknownTarget("nothing is pushed to this constituent", subject=constituent[:80])
            store.remove(tx, constituent)
            _say(tx, constituent, by, "remove")


def _say(tx: Transaction, constituent: str, by: str, change: str) -> None:
    audit(tx, actor=by, action=f"push-target.{change}", subject=constituent)
