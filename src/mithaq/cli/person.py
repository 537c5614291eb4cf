"""Enrol people and give programs tokens."""

from datetime import timedelta
from urllib.parse import quote

import click

from mithaq.cli.session import Session
from mithaq.nations.people.errors import UnknownPerson
from mithaq.nations.people.model import Person, Role, Verb
from mithaq.nations.people.rules import NEVER_A_SCOPE
from mithaq.node.language import msgid

_ROLE = click.Choice([role.value for role in Role])
_SCOPE = click.Choice([verb.value for verb in Verb if verb not in NEVER_A_SCOPE])
_COLUMNS = (msgid("name"), msgid("roles"), msgid("state"), msgid("id"))


@click.group()
def person() -> None:
    """Enrol people and give them roles."""


@person.command()
@click.argument("name")
@click.option("--role", "roles", multiple=True, type=_ROLE, help="A role; may be given several times.")
@click.pass_obj
def link(session: Session, name: str, roles: tuple[str, ...]) -> None:
    """Print a one-time link that signs NAME in; valid for 30 minutes, once.

    A new person needs a role; for one who is known, the roles named here replace the present ones.
    """
    node = session.node()
    wanted = frozenset(Role(role) for role in roles) or None
    found, secret = node.people.link(name, wanted, session.now(), by=session.actor)
    base = node.settings.public_url.rstrip("/") or f"http://localhost:{node.settings.listen_port}"
    url = f"{base}/link?t={quote(secret)}"
    session.emit({"person": found.id, "name": found.name, "url": url, "valid_minutes": 30}, lambda: url)
    session.say("Open it within 30 minutes; it works once. Then enrol a passkey.")


@person.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """List everybody."""
    session.emit_rows(
        (
            {
                "name": each.name,
                "roles": sorted(each.roles),
                "state": "shut-out" if each.disabled_at else "may-sign-in",
                "id": each.id,
            }
            for each in session.node().people.persons()
        ),
        _COLUMNS,
    )


@person.command()
@click.argument("name")
@click.pass_obj
def disable(session: Session, name: str) -> None:
    """Shut NAME out: sessions end, links and passkeys stop working."""
    found = _named(session, name)
    session.node().people.disable(found.id, session.actor, session.now())
    session.emit({"person": found.id, "state": "shut-out"}, lambda: found.id)


def _named(session: Session, name: str) -> Person:
    for each in session.node().people.persons():
        if name in (each.name, each.id):
            return each
    raise UnknownPerson("no such person", subject=name[:80])


@click.group()
def token() -> None:
    """Give programs a token."""


@token.command()
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, type=_SCOPE, help="What it may do.")
@click.option("--days", default=90, show_default=True, type=click.IntRange(1, 366), help="For how long.")
@click.pass_obj
def add(session: Session, name: str, scopes: tuple[str, ...], days: int) -> None:
    """Print a new token for the program NAME; it is shown this once."""
    wanted = frozenset(Verb(scope) for scope in scopes)
    made, secret = session.node().people.add_token(name, wanted, timedelta(days=days), session.now(), by=session.actor)
    session.emit({"id": made.id, "name": made.name, "scopes": sorted(wanted), "token": secret}, lambda: secret)


@token.command("list")
@click.pass_obj
def list_tokens(session: Session) -> None:
    """List the tokens; their secrets are not kept."""
    session.emit_rows(
        (
            {
                "name": each.name,
                "scopes": sorted(each.scopes),
                "expires": str(each.expires_at.date()),
                "state": "revoked" if each.revoked_at else "expired" if each.expires_at <= session.now() else "in-use",
                "id": each.id,
            }
            for each in session.node().people.tokens()
        ),
        (msgid("name"), msgid("scopes"), msgid("expires"), msgid("state"), msgid("id")),
    )


@token.command()
@click.argument("token_id")
@click.pass_obj
def revoke(session: Session, token_id: str) -> None:
    """End a token."""
    session.node().people.revoke_token(token_id, session.actor, session.now())
    session.emit({"id": token_id, "state": "revoked"}, lambda: token_id)
