"""Whom this CERT serves, and the accounts of their programs."""

from datetime import timedelta
from typing import get_args

import click

from mithaq.agreements.vocabulary import Sector
from mithaq.cli.session import Session
from mithaq.kernel.clock import rfc3339
from mithaq.nations.constituents.model import DOORS, MAX_ACCOUNT_DAYS, Account, Constituent
from mithaq.node.language import msgid

_SECTOR = click.Choice(get_args(Sector))
_COLUMNS = (msgid("id"), msgid("names"), msgid("sectors"), msgid("contact"), msgid("state"))
_ACCOUNT_COLUMNS = (
    msgid("name"),
    msgid("door"),
    msgid("may"),
    msgid("expires"),
    msgid("last used"),
    msgid("state"),
    msgid("id"),
)


@click.group()
def constituent() -> None:
    """The organisations this CERT serves, and their accounts."""


@constituent.command()
@click.argument("constituent_id", metavar="ID")
@click.option("--name-en", default="", help="Its name in English.")
@click.option("--name-ar", default="", help="… in Arabic.")
@click.option("--name-fr", default="", help="… in French.")
@click.option("--sector", "sectors", multiple=True, type=_SECTOR, help="A sector; may be given several times.")
@click.option("--contact", required=True, help="Where its duty officer can be reached.")
@click.pass_obj
def add(
    session: Session,
    constituent_id: str,
    name_en: str,
    name_ar: str,
    name_fr: str,
    sectors: tuple[str, ...],
    contact: str,
) -> None:
    """Write down the constituent ID, such as grid-operator."""
    names = {language: name for language, name in (("en", name_en), ("ar", name_ar), ("fr", name_fr)) if name}
    made = session.node().constituents.add(constituent_id, names, sectors, contact, session.now(), by=session.actor)
    session.emit(_row(made), lambda: made.id)


@constituent.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """List the constituents."""
    session.emit_rows((_row(each) for each in session.node().constituents.all()), _COLUMNS)


@constituent.command()
@click.argument("constituent_id", metavar="ID")
@click.pass_obj
def show(session: Session, constituent_id: str) -> None:
    """Show the accounts of ID, and when each was last used."""
    accounts = session.node().constituents.accounts(constituent_id)
    session.emit_rows((_account(session, each) for each in accounts), _ACCOUNT_COLUMNS)


@constituent.command()
@click.argument("constituent_id", metavar="ID")
@click.pass_obj
def disable(session: Session, constituent_id: str) -> None:
    """Let no program of ID in any more."""
    session.node().constituents.disable(constituent_id, session.now(), by=session.actor)
    session.emit({"id": constituent_id, "state": "disabled"}, lambda: constituent_id)


@constituent.command()
@click.argument("constituent_id", metavar="ID")
@click.pass_obj
def enable(session: Session, constituent_id: str) -> None:
    """Let the accounts of ID work again."""
    session.node().constituents.enable(constituent_id, session.now(), by=session.actor)
    session.emit({"id": constituent_id, "state": "enabled"}, lambda: constituent_id)


@constituent.command()
@click.argument("constituent_id", metavar="ID")
@click.option("--name", default="siem", show_default=True, help="Which program it is for.")
@click.option("--door", type=click.Choice(DOORS), help="It opens this door only.  [default: every door]")
@click.option("--collection", help="It opens this collection only.  [default: all of the constituent's]")
@click.option("--write", "may_write", is_flag=True, help="It may also post into collections that take posts.")
@click.option("--days", default=90, show_default=True, type=click.IntRange(1, MAX_ACCOUNT_DAYS), help="For how long.")
@click.option("--misp-version", default=None, help="The version of the MISP that uses it, where it compares versions.")
@click.pass_obj
def token(
    session: Session,
    constituent_id: str,
    name: str,
    door: str | None,
    collection: str | None,
    may_write: bool,
    days: int,
    misp_version: str | None,
) -> None:
    """Print the secret of a new account for a program of ID; it is shown this once.

    It works as a bearer token, as the password of HTTP Basic with ID as the user, and as MISP's automation key.
    """
    account, secret = session.node().collections.add_account(
        constituent_id,
        name,
        timedelta(days=days),
        session.now(),
        door=door,
        collection=collection,
        may_write=may_write,
        misp_version=misp_version,
        by=session.actor,
    )
    session.emit({**_account(session, account), "user": constituent_id, "token": secret}, lambda: secret)


@constituent.command()
@click.argument("account_id", metavar="ACCOUNT")
@click.pass_obj
def revoke(session: Session, account_id: str) -> None:
    """End the account ACCOUNT."""
    session.node().constituents.revoke(account_id, session.now(), by=session.actor)
    session.emit({"id": account_id, "state": "revoked"}, lambda: account_id)


def _row(value: Constituent) -> dict[str, object]:
    return {
        "id": value.id,
        "names": [value.names[language] for language in sorted(value.names)],
        "sectors": sorted(value.sectors),
        "contact": value.contact,
        "state": "disabled" if value.disabled_at else "enabled",
    }


def _account(session: Session, value: Account) -> dict[str, object]:
    return {
        "name": value.name,
        "door": value.door,
        "collection": value.collection,
        "may": "read, write" if value.may_write else "read",
        "expires": str(value.expires_at.date()),
        "last used": rfc3339(value.used_at) if value.used_at else None,
        "state": "revoked" if value.revoked_at else "expired" if value.expires_at <= session.now() else "in-use",
        "id": value.id,
    }
