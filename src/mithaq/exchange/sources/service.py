"""Write down what is fetched, on which terms; pause, resume and remove it; look into its quarantine."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from mithaq.exchange.sources import store
from mithaq.exchange.sources.credentials import Credential, Vault, demand_usable
from mithaq.exchange.sources.errors import BadSource, UnknownSource
from mithaq.exchange.sources.model import Followed, Kind, Quarantined, Source, Terms
from mithaq.exchange.sources.rules import refusal, texts
from mithaq.exchange.sources.settings import DEFAULT_EVERY_S
from mithaq.kernel.database import Database, Transaction
from mithaq.kernel.ids import new_id
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.people.audit import audit
from mithaq.nations.people.errors import raised

SOURCE_CHANGED = "exchange.source"


class Sources:
    """Use cases about what a node fetches from the world."""

    def __init__(self, db: Database, vault: Vault) -> None:
        self._db = db
        self._vault = vault

    def add(
        self,
        name: str,
        kind: Kind,
        address: str,
        at: datetime,
        *,
        every_s: int = DEFAULT_EVERY_S,
        terms: Terms | None = None,
        collection: str = "",
        flags: Collection[str] = (),
        options: Mapping[str, Any] | None = None,
        credential: Credential | None = None,
        by: str = "operator",
    ) -> Source:
        """Follow a source; it is fetched at once, and then as often as it says.

        Raises:
            BadSource: a part of it cannot be used, or its name is taken.
        """
        given = terms or Terms()
        made = Source(
            new_id("source"),
            name,
            kind,
            address,
            every_s,
            at,
            replace(given, labels=texts(given.labels)),
            collection.strip(),
            frozenset(flags),
            dict(options or {}),
            credential.auth if credential else "none",
        )
        if reason := refusal(made):
            raise raised(BadSource, reason, name[:80])
        sealed = self._sealed(made, credential)
        with self._db.write(at) as tx:
            if store.find(tx.connection, name) is not None:
                raise BadSource("there is a source of that name already", subject=name)
            store.add(tx, made, sealed)
            _say(tx, made, by, "source.add")
        return made

    def all(self) -> list[Followed]:
        """Return every source with its progress, by name."""
        with self._db.read() as connection:
            return store.all_of(connection)

    def get(self, name: str) -> Followed:
        """Return a source by its name or id.

        Raises:
            UnknownSource: there is none.
        """
        with self._db.read() as connection:
            found = store.find(connection, name)
        if found is None:
            raise UnknownSource("there is no source of that name", subject=name[:80])
        return found

    def ask(self, name: str, at: datetime, *, by: str = "operator") -> Followed:
        """Let a source be fetched now; one that was stopped is tried again.

        Raises:
            UnknownSource: there is none.
            BadSource: it is paused.
        """
        found = self.get(name)
        if found.progress.standing == "paused":
            raise BadSource("the source is paused: resume it first", subject=found.source.name)
        with self._db.write(at) as tx:
            if found.progress.standing == "stopped":
                store.change(tx, found.source.id, standing="active", due_at=at)
            else:
                store.make_due(tx, found.source.id)
            _say(tx, found.source, by, "source.fetch")
        return self.get(name)

    def pause(self, name: str, at: datetime, *, by: str = "operator") -> None:
        """Fetch a source no more until it is resumed; a run that is under way ends with its page.

        Raises:
            UnknownSource: there is none.
        """
        self._change(name, at, by, "source.pause", standing="paused")

    def resume(self, name: str, at: datetime, *, credential: Credential | None = None, by: str = "operator") -> None:
        """Fetch a source again from where it was left, with a new credential where one is given.

        Raises:
            UnknownSource: there is none.
            BadSource: the credential cannot be used, or may not travel to this source.
        """
        values: dict[str, Any] = {"standing": "active", "due_at": at, "failures": 0}
        if credential is not None:
            source = replace(self.get(name).source, auth=credential.auth)
            if reason := refusal(source):
                raise raised(BadSource, reason, source.name)
            values |= {"auth": credential.auth, "credential": self._sealed(source, credential)}
        self._change(name, at, by, "source.resume", **values)

    def restart(self, name: str, at: datetime, *, by: str = "operator") -> None:
        """Forget how far a source has been read, so that everything it has is fetched anew; nothing is taken back.

        Raises:
            UnknownSource: there is none.
        """
        found = self.get(name)
        with self._db.write(at) as tx:
            if found.source.kind != "list":  # a list is always read whole, and compared with what it had
                store.forget_versions(tx, found.source.id, store.versions_of(tx.connection, found.source.id))
            store.change(tx, found.source.id, cursor={}, due_at=at)
            _say(tx, found.source, by, "source.restart")

    def remove(self, name: str, at: datetime, *, by: str = "operator") -> None:
        """Follow a source no more; what it gave stays as its word, its credential and quarantine go.

        Raises:
            UnknownSource: there is none.
        """
        found = self.get(name)
        with self._db.write(at) as tx:
            store.remove(tx, found.source.id)
            _say(tx, found.source, by, "source.remove")

    def quarantine(self, name: str, *, after: int = 0, limit: int = 1000) -> list[Quarantined]:
        """Return what waits in a source's quarantine, oldest first.

        Raises:
            UnknownSource: there is none.
        """
        source = self.get(name).source
        with self._db.read() as connection:
            return store.listed(connection, source.id, after=after, limit=limit)

    def discard(self, name: str, rows: Sequence[int], at: datetime, *, by: str = "operator") -> int:
        """Throw things out of a source's quarantine; return how many there were.

        Raises:
            UnknownSource: there is none.
        """
        source = self.get(name).source
        with self._db.write(at) as tx:
            gone = store.release(tx, source.id, rows)
            if gone:
                _say(tx, source, by, "source.discard")
        return gone

    def _change(self, name: str, at: datetime, by: str, action: str, **values: Any) -> None:
        source = self.get(name).source
        with self._db.write(at) as tx:
            store.change(tx, source.id, **values)
            _say(tx, source, by, action)

    def _sealed(self, source: Source, credential: Credential | None) -> bytes | None:
        if credential is None or credential.auth == "none":
            return None
        demand_usable(credential)
        return self._vault.seal(source, credential)


def _say(tx: Transaction, source: Source, by: str, action: str) -> None:
    audit(tx, actor=by, action=action, subject=source.name)
    tx.append(SOURCE_CHANGED, subject=source.name, lane=ACTUAL, actor=by, detail={"change": action.partition(".")[2]})
