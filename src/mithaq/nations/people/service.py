"""Enrol people, sign them in, give programs tokens, and write down who did what."""

from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy import delete, update

from mithaq.kernel.database import Database, Transaction
from mithaq.kernel.ids import new_id
from mithaq.kernel.reason import Reason
from mithaq.nations.people import store
from mithaq.nations.people.audit import audit
from mithaq.nations.people.errors import BadPerson, LinkRefused, NotPermitted, UnknownPerson, raised
from mithaq.nations.people.model import (
    LINK_LIFETIME,
    Actor,
    ApiToken,
    Outcome,
    Person,
    Role,
    Verb,
)
from mithaq.nations.people.rules import (
    link_usable,
    permit,
    role_change,
    token_usable,
    usable_name,
    usable_scopes,
    verbs_of,
)

if TYPE_CHECKING:
    from mithaq.nations.people.passkeys import Passkeys


class People:
    """Use cases about people, sessions and tokens."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @cached_property
    def passkeys(self) -> "Passkeys":
        """Return the ceremonies; a process that holds none does not load their library."""
        from mithaq.nations.people.passkeys import Passkeys

        return Passkeys(self._db)

    def link(
        self, name: str, roles: frozenset[Role] | None, at: datetime, *, by: str = "operator"
    ) -> tuple[Person, str]:
        """Return a one-time link token for a person, who is created or given new roles where roles are named.

        Raises:
            BadPerson: the name cannot be used, or a new person was given no role.
            NotPermitted: the actor would change their own roles.
        """
        if reason := usable_name(name):
            raise raised(BadPerson, reason, name[:80])
        secret = store.new_secret()
        with self._db.write(at) as tx:
            person = self._enrolled(tx, name, roles, at, by)
            tx.execute(
                store.links.insert().values(
                    digest=store.digest(secret), person_id=person.id, expires_at=at + LINK_LIFETIME
                )
            )
            audit(tx, actor=by, action="person.link", subject=person.id)
        return person, secret

    def _enrolled(self, tx: Transaction, name: str, roles: frozenset[Role] | None, at: datetime, by: str) -> Person:
        person = store.person_named(tx.connection, name)
        if person is None and not roles:
            raise BadPerson("a new person needs at least one role", subject=name)
        if person is not None and (reason := role_change(by, person.id)):
            raise raised(NotPermitted, reason)
        if person is None:
            person = Person(new_id("person"), name, roles or frozenset(), at)
        else:
            person = Person(person.id, name, roles or person.roles, person.created_at)
        store.save_person(tx, person)
        return person

    def redeem(self, secret: str, at: datetime) -> tuple[Person, str]:
        """Turn a one-time link into a session; return the person and the session's secret.

        Raises:
            LinkRefused: the link is unknown, was used, or has expired.
        """
        refused = LinkRefused("this link is unknown, was used already or has expired; ask for a new one")
        with self._db.write(at) as tx:
            link = store.link(tx.connection, secret)
            person = store.person(tx.connection, link.person_id) if link else None
            usable = link_usable(link, at) and person is not None and person.disabled_at is None
            if usable and person and store.use_link(tx, secret, at):
                audit(tx, actor=person.id, action="person.sign-in", subject=person.id)
                return person, store.open_session(tx, person.id, at)
            if person:
                audit(
                    tx,
                    actor=person.id,
                    action="person.sign-in",
                    subject=person.id,
                    outcome=Outcome.REFUSED,
                    reason="link-refused",
                )
        raise refused

    def actor_of_session(self, secret: str, at: datetime) -> Actor | None:
        """Return who is signed in, with the verbs of their present roles."""
        with self._db.read() as connection:
            person = store.person_of_session(connection, secret, at)
        return actor_of(person) if person else None

    def sign_out(self, secret: str, actor: Actor, at: datetime) -> None:
        """End one session."""
        with self._db.write(at) as tx:
            tx.execute(delete(store.sessions).where(store.sessions.c.digest == store.digest(secret)))
            audit(tx, actor=actor.id, action="person.sign-out", subject=actor.id)

    def set_roles(self, person_id: str, roles: frozenset[Role], actor: str, at: datetime) -> None:
        """Give a person exactly these roles.

        Raises:
            NotPermitted: the actor would change their own roles.
            UnknownPerson: there is no such person.
            BadPerson: no role was named.
        """
        if not roles:
            raise BadPerson("a person needs at least one role; disable the person instead", subject=person_id)
        self._change(person_id, actor, "person.roles", at, roles=sorted(roles))

    def disable(self, person_id: str, actor: str, at: datetime) -> None:
        """Shut a person out: sessions end, links and passkeys stop working.

        Raises:
            NotPermitted: the actor would disable themselves.
            UnknownPerson: there is no such person.
        """
        self._change(person_id, actor, "person.disable", at, disabled_at=at)

    def _change(self, person_id: str, actor: str, action: str, at: datetime, **fields: object) -> None:
        if reason := role_change(actor, person_id):
            self.refused(actor, action, person_id, reason, at)
            raise raised(NotPermitted, reason)
        with self._db.write(at) as tx:
            statement = update(store.persons).where(store.persons.c.id == person_id).values(**fields)
            if tx.execute(statement).rowcount != 1:
                raise UnknownPerson("no such person", subject=person_id)
            store.end_sessions(tx, person_id)
            audit(tx, actor=actor, action=action, subject=person_id)

    def add_token(
        self, name: str, scopes: frozenset[Verb], lifetime: timedelta, at: datetime, *, by: str = "operator"
    ) -> tuple[ApiToken, str]:
        """Return a new API token and its secret, which is shown this once.

        Raises:
            BadPerson: the name or a scope cannot be used.
        """
        for reason in (usable_name(name), usable_scopes(scopes)):
            if reason:
                raise raised(BadPerson, reason, name[:80])
        token = ApiToken(new_id("token"), name, scopes, at, at + lifetime)
        secret = store.new_token()
        with self._db.write(at) as tx:
            tx.execute(
                store.tokens.insert().values(
                    id=token.id,
                    digest=store.digest(secret),
                    name=name,
                    scopes=sorted(scopes),
                    created_at=at,
                    expires_at=token.expires_at,
                )
            )
            audit(tx, actor=by, action="token.add", subject=token.id)
        return token, secret

    def actor_of_token(self, secret: str, at: datetime) -> Actor | None:
        """Return the program behind a bearer secret, unless it is unknown, revoked or expired."""
        with self._db.read() as connection:
            token = store.token_of(connection, secret)
        return Actor(token.id, token.name, token.scopes) if token and token_usable(token, at) else None

    def revoke_token(self, token_id: str, actor: str, at: datetime) -> None:
        """End an API token.

        Raises:
            UnknownPerson: there is no such token in use.
        """
        with self._db.write(at) as tx:
            live = (store.tokens.c.id == token_id, store.tokens.c.revoked_at.is_(None))
            if tx.execute(update(store.tokens).where(*live).values(revoked_at=at)).rowcount != 1:
                raise UnknownPerson("no such token in use", subject=token_id)
            audit(tx, actor=actor, action="token.revoke", subject=token_id)

    def persons(self) -> list[Person]:
        """Return everybody, by name."""
        with self._db.read() as connection:
            return store.all_persons(connection)

    def names(self) -> dict[str, str]:
        """Return the names of everybody and of every program, by id."""
        with self._db.read() as connection:
            persons = {person.id: person.name for person in store.all_persons(connection)}
            return persons | {token.id: token.name for token in store.all_tokens(connection)}

    def tokens(self) -> list[ApiToken]:
        """Return all API tokens, newest first."""
        with self._db.read() as connection:
            return store.all_tokens(connection)

    def demand(self, actor: Actor, verb: Verb, subject: str, at: datetime) -> None:
        """Let an action pass, or write down and raise the refusal.

        Raises:
            NotPermitted: the actor does not hold the verb.
        """
        if reason := permit(actor, verb):
            self.refused(actor.id, verb, subject, reason, at)
            raise raised(NotPermitted, reason)

    def refused(self, actor: str, action: str, subject: str, reason: Reason, at: datetime) -> None:
        """Write down that somebody was refused something."""
        with self._db.write(at) as tx:
            audit(tx, actor=actor, action=action, subject=subject, outcome=Outcome.REFUSED, reason=reason.code)


def actor_of(person: Person) -> Actor:
    """Return a person as somebody who acts."""
    return Actor(person.id, person.name, verbs_of(person.roles), person.roles)
