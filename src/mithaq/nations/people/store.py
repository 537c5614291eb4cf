"""Tables of people, links, sessions, passkeys and tokens; secrets are kept as SHA-256 digests only."""

import hashlib
import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    LargeBinary,
    Table,
    Text,
    delete,
    select,
    update,
)

from mithaq.kernel.database import Json, Timestamp, Transaction, metadata
from mithaq.nations.people.model import SESSION_LIFETIME, ApiToken, Link, Passkey, Person, Role, Verb

_SECRET_BYTES = 32
persons = Table(
    "people_person",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("roles", Json, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("disabled_at", Timestamp),
)
links = Table(
    "people_link",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("person_id", Text, ForeignKey(persons.c.id), nullable=False),
    Column("expires_at", Timestamp, nullable=False),
    Column("used_at", Timestamp),
)
sessions = Table(
    "people_session",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("person_id", Text, ForeignKey(persons.c.id), nullable=False, index=True),
    Column("created_at", Timestamp, nullable=False),
    Column("expires_at", Timestamp, nullable=False),
)
passkeys = Table(
    "people_passkey",
    metadata,
    Column("credential_id", LargeBinary, primary_key=True),
    Column("person_id", Text, ForeignKey(persons.c.id), nullable=False, index=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("created_at", Timestamp, nullable=False),
)
ceremonies = Table(
    "people_ceremony",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("challenge", LargeBinary, nullable=False),
    Column("person_id", Text),
    Column("expires_at", Timestamp, nullable=False),
)
tokens = Table(
    "people_token",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("scopes", Json, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("expires_at", Timestamp, nullable=False),
    Column("revoked_at", Timestamp),
)


def digest(secret: str) -> bytes:
    """Return what is kept of a secret; its 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(secret.encode()).digest()


def person(connection: Connection, person_id: str) -> Person | None:
    """Return a person by id."""
    row = connection.execute(select(persons).where(persons.c.id == person_id)).first()
    return _person(row) if row else None


def person_named(connection: Connection, name: str) -> Person | None:
    """Return a person by name."""
    row = connection.execute(select(persons).where(persons.c.name == name)).first()
    return _person(row) if row else None


def all_persons(connection: Connection) -> list[Person]:
    """Return everybody, by name."""
    return [_person(row) for row in connection.execute(select(persons).order_by(persons.c.name))]


def save_person(transaction: Transaction, value: Person) -> None:
    """Insert or replace a person."""
    fields = {
        "name": value.name,
        "roles": sorted(value.roles),
        "created_at": value.created_at,
        "disabled_at": value.disabled_at,
    }
    changed = transaction.execute(update(persons).where(persons.c.id == value.id).values(**fields)).rowcount
    if not changed:
        transaction.execute(persons.insert().values(id=value.id, **fields))


def link(connection: Connection, secret: str) -> Link | None:
    """Return the one-time link of a token."""
    row = connection.execute(select(links).where(links.c.digest == digest(secret))).first()
    return Link(row.person_id, row.expires_at, row.used_at) if row else None


def use_link(transaction: Transaction, secret: str, at: datetime) -> bool:
    """Mark a link as used; exactly one caller gets True."""
    statement = update(links).where(links.c.digest == digest(secret), links.c.used_at.is_(None)).values(used_at=at)
    return transaction.execute(statement).rowcount == 1


def person_of_session(connection: Connection, secret: str, at: datetime) -> Person | None:
    """Return the enabled person behind a session that has not expired."""
    query = (
        select(persons)
        .join(sessions, sessions.c.person_id == persons.c.id)
        .where(sessions.c.digest == digest(secret), sessions.c.expires_at > at, persons.c.disabled_at.is_(None))
    )
    row = connection.execute(query).first()
    return _person(row) if row else None


def end_sessions(transaction: Transaction, person_id: str) -> None:
    """End every session of a person."""
    transaction.execute(delete(sessions).where(sessions.c.person_id == person_id))


def new_secret() -> str:
    """Return the secret of a new link, session or ceremony."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def new_token() -> str:
    """Return the secret that a program is given, which says whose it is should it be found lying about."""
    return f"mithaq_{new_secret()}"


def sweep(transaction: Transaction, at: datetime) -> None:
    """Forget expired sessions and ceremonies."""
    transaction.execute(delete(sessions).where(sessions.c.expires_at <= at))
    transaction.execute(delete(ceremonies).where(ceremonies.c.expires_at <= at))


def open_session(tx: Transaction, person_id: str, at: datetime) -> str:
    """Open a session inside a transaction and return its secret."""
    sweep(tx, at)
    secret = new_secret()
    tx.execute(
        sessions.insert().values(
            digest=digest(secret), person_id=person_id, created_at=at, expires_at=at + SESSION_LIFETIME
        )
    )
    return secret


def passkey(connection: Connection, credential_id: bytes) -> Passkey | None:
    """Return a passkey by its credential id."""
    row = connection.execute(select(passkeys).where(passkeys.c.credential_id == credential_id)).first()
    return _passkey(row) if row else None


def passkeys_of(connection: Connection, person_id: str) -> list[Passkey]:
    """Return a person's passkeys, oldest first."""
    query = select(passkeys).where(passkeys.c.person_id == person_id).order_by(passkeys.c.created_at)
    return [_passkey(row) for row in connection.execute(query)]


def take_ceremony(transaction: Transaction, secret: str, at: datetime) -> tuple[bytes, str | None] | None:
    """Return and forget a ceremony's challenge and person; None when unknown, used or expired."""
    query = select(ceremonies).where(ceremonies.c.digest == digest(secret), ceremonies.c.expires_at > at)
    row = transaction.execute(query).first()
    transaction.execute(delete(ceremonies).where(ceremonies.c.digest == digest(secret)))
    return (row.challenge, row.person_id) if row else None


def token_of(connection: Connection, secret: str) -> ApiToken | None:
    """Return the API token of a bearer secret."""
    row = connection.execute(select(tokens).where(tokens.c.digest == digest(secret))).first()
    return _token(row) if row else None


def all_tokens(connection: Connection) -> list[ApiToken]:
    """Return all API tokens, newest first."""
    return [_token(row) for row in connection.execute(select(tokens).order_by(tokens.c.created_at.desc()))]


def _person(row: Any) -> Person:
    return Person(row.id, row.name, frozenset(Role(r) for r in row.roles), row.created_at, row.disabled_at)


def _passkey(row: Any) -> Passkey:
    return Passkey(row.credential_id, row.person_id, row.public_key, row.sign_count, row.created_at)


def _token(row: Any) -> ApiToken:
    scopes = frozenset(Verb(v) for v in row.scopes)
    return ApiToken(row.id, row.name, scopes, row.created_at, row.expires_at, row.revoked_at)
