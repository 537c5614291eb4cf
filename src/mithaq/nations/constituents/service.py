"""Write down whom this CERT serves, give their programs accounts, and let them in."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, update

from mithaq.kernel.database import Database
from mithaq.kernel.ids import new_id
from mithaq.nations.constituents import store
from mithaq.nations.constituents.errors import BadConstituent, UnknownConstituent
from mithaq.nations.constituents.model import DOORS, SENSOR_DOOR, Account, Constituent
from mithaq.nations.constituents.rules import (
    is_refusal_noted,
    is_sign_in,
    is_use_noted,
    is_version,
    refusal,
    usable,
)
from mithaq.nations.people.audit import audit
from mithaq.nations.people.errors import raised
from mithaq.nations.people.model import Outcome
from mithaq.nations.people.rules import usable_name
from mithaq.nations.people.store import new_token


class Constituents:
    """Use cases about constituents and their accounts."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(
        self,
        constituent_id: str,
        names: Mapping[str, str],
        sectors: Collection[str],
        contact: str,
        at: datetime,
        *,
        by: str = "operator",
    ) -> Constituent:
        """Write down a constituent.

        Raises:
            BadConstituent: the id, a name or a sector cannot be used, or the id is taken.
        """
        if reason := usable(constituent_id, names, sectors, contact):
            raise raised(BadConstituent, reason, constituent_id[:80])
        made = Constituent(constituent_id, dict(names), frozenset(sectors), contact, at)
        with self._db.write(at) as tx:
            if store.find(tx.connection, constituent_id):
                raise BadConstituent("there is a constituent of this id already", subject=constituent_id)
            store.add(tx, made)
            audit(tx, actor=by, action="constituent.add", subject=constituent_id)
        return made

    def get(self, connection: Connection, constituent_id: str) -> Constituent:
        """Return a constituent.

        Raises:
            UnknownConstituent: there is none of this id.
        """
        found = store.find(connection, constituent_id)
        if found is None:
            raise UnknownConstituent("no such constituent", subject=constituent_id[:80])
        return found

    def all(self) -> list[Constituent]:
        """Return every constituent, by id."""
        with self._db.read() as connection:
            return store.all_of(connection)

    def accounts(self, constituent_id: str) -> list[Account]:
        """Return a constituent's accounts, newest first.

        Raises:
            UnknownConstituent: there is none of this id.
        """
        with self._db.read() as connection:
            self.get(connection, constituent_id)
            return store.accounts_of(connection, constituent_id)

    def disable(self, constituent_id: str, at: datetime, *, by: str = "operator") -> None:
        """Let no program of a constituent in any more.

        Raises:
            UnknownConstituent: there is none of this id.
        """
        self._switch("constituent.disable", constituent_id, at, at, by)

    def enable(self, constituent_id: str, at: datetime, *, by: str = "operator") -> None:
        """Let a constituent's accounts work again.

        Raises:
            UnknownConstituent: there is none of this id.
        """
        self._switch("constituent.enable", constituent_id, None, at, by)

    def _switch(self, action: str, constituent_id: str, disabled_at: datetime | None, at: datetime, by: str) -> None:
        table = store.constituents
        with self._db.write(at) as tx:
            self.get(tx.connection, constituent_id)
            tx.execute(update(table).where(table.c.id == constituent_id).values(disabled_at=disabled_at))
            audit(tx, actor=by, action=action, subject=constituent_id)

    def add_account(
        self,
        constituent_id: str,
        name: str,
        lifetime: timedelta,
        at: datetime,
        *,
        may_write: bool = False,
        door: str | None = None,
        collection: str | None = None,
        misp_version: str | None = None,
        by: str = "operator",
    ) -> tuple[Account, str]:
        """Return a new account and its secret, which is shown this once; `door` and `collection` narrow it.

        Raises:
            BadConstituent: the name or the version of MISP cannot be used, or there is no such door.
            UnknownConstituent: there is no such constituent.
        """
        if reason := usable_name(name):
            raise raised(BadConstituent, reason, name[:80])
        if door not in (None, SENSOR_DOOR, *DOORS):
            raise BadConstituent("there is no such door", subject=str(door)[:80])
        if misp_version is not None and not is_version(misp_version):
            raise BadConstituent("a version of MISP is three numbers, such as 2.5.34", subject=misp_version[:40])
        account = Account(
            new_id("account"),
            constituent_id,
            name,
            may_write,
            at,
            at + lifetime,
            door=door,
            collection=collection,
            misp_version=misp_version,
        )
        secret = new_token()
        with self._db.write(at) as tx:
            self.get(tx.connection, constituent_id)
            store.add_account(tx, account, secret)
            audit(tx, actor=by, action="constituent.account", subject=account.id)
        return account, secret

    def revoke(self, account_id: str, at: datetime, *, by: str = "operator") -> None:
        """End an account.

        Raises:
            UnknownConstituent: there is no such account in use.
        """
        table = store.accounts
        with self._db.write(at) as tx:
            live = (table.c.id == account_id, table.c.revoked_at.is_(None))
            if tx.execute(update(table).where(*live).values(revoked_at=at)).rowcount != 1:
                raise UnknownConstituent("no such account in use", subject=account_id[:80])
            audit(tx, actor=by, action="constituent.account-ended", subject=account_id)

    def sign_in(self, secret: str, user: str | None, at: datetime, *, door: str) -> tuple[Constituent, Account] | None:
        """Return who comes to a door with a secret, or None where nobody is let in; `user` as HTTP Basic named it.

        Cost: two look-ups; one write a minute and account at most.
        """
        with self._db.read() as connection:
            account = store.account_of(connection, secret)
            constituent = store.find(connection, account.constituent) if account else None
        if account is None or constituent is None:
            return None
        reason = refusal(account, constituent, user, door, at)
        if reason is not None:
            if not is_refusal_noted(account, at):
                self._note(account, at, reason.code)
            return None
        if not is_use_noted(account, at):
            self._note(account, at)
        return constituent, account

    def _note(self, account: Account, at: datetime, refused: str = "") -> None:
        """Write down that an account was used or refused."""
        with self._db.write(at) as tx:
            store.change_account(tx, account.id, **({"refused_at": at} if refused else {"used_at": at}))
            if refused or is_sign_in(account, at):
                audit(
                    tx,
                    actor=account.id,
                    action="constituent.sign-in",
                    subject=account.constituent,
                    outcome=Outcome.REFUSED if refused else Outcome.DONE,
                    reason=refused,
                )
