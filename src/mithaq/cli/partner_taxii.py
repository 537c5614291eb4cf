"""What a partner nation's programs read over TAXII: `mithaq partner token`, `accounts`, `revoke`, `withheld`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import click

from mithaq.cli.layout import Column, cell, plain, reason_lines, reasons_json, show_rows, word
from mithaq.cli.session import Session
from mithaq.exchange.taxii.partners.model import PartnerAccount
from mithaq.exchange.taxii.partners.viewing import Kept, Laid, laid_for
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason
from mithaq.nations.constituents.model import MAX_ACCOUNT_DAYS
from mithaq.node.language import msgid

_ACCOUNTS = {
    "name": Column(msgid("name")),
    "agreement": Column(msgid("agreement")),
    "objects": Column(msgid("objects")),
    "expires": Column(msgid("expires")),
    "last used": Column(msgid("last used")),
    "state": Column(msgid("state"), word),
    "id": Column(msgid("id")),
    "ended_for": Column(msgid("reason"), lambda session, reasons: cell(session, [each["reason"] for each in reasons])),
}


@click.command()
@click.argument("nation")
@click.argument("agreement")
@click.option("--name", default="opencti", show_default=True, help="Which program it is for.")
@click.option("--days", default=90, show_default=True, type=click.IntRange(1, MAX_ACCOUNT_DAYS), help="For how long.")
@click.pass_obj
def token(session: Session, nation: str, agreement: str, name: str, days: int) -> None:
    """Print the secret of a new TAXII account of NATION for AGREEMENT; it is shown this once.

    It reads what NATION was released under that agreement and has confirmed. It works as a bearer token, and as the
    password of HTTP Basic with NATION as the user. It ends for good when the agreement or the partner is suspended.
    """
    shelf, account, secret = session.node().partner_accounts.add(
        NationId(nation), agreement, name, timedelta(days=days), session.now(), by=session.actor
    )
    value = {"collection": shelf.collection.id, "user": shelf.nation, "token": secret}
    session.emit(plain(_account(session.now(), account)) | value, lambda: secret)


@click.command()
@click.argument("nation")
@click.pass_obj
def accounts(session: Session, nation: str) -> None:
    """List the TAXII accounts of NATION, how much lies in the collection of each, and why one ended."""
    rows = [
        _account(session.now(), account)
        | {"agreement": laid.shelf.agreement_id, "collection": laid.shelf.collection.id, "objects": laid.size}
        | {"ended_for": reasons_json(session, account.ended_for)}
        for laid in _laid(session, nation)
        for account in laid.accounts
    ]
    show_rows(session, rows, _ACCOUNTS, empty=msgid("No program of this nation has an account."))


@click.command()
@click.argument("account")
@click.pass_obj
def revoke(session: Session, account: str) -> None:
    """End the TAXII account ACCOUNT of a partner."""
    session.node().partner_accounts.revoke(account, session.now(), by=session.actor)
    session.emit({"id": account, "state": "revoked"}, lambda: account)


@click.command()
@click.argument("nation")
@click.pass_obj
def withheld(session: Session, nation: str) -> None:
    """List what of the newest releases to NATION is withheld over TAXII, and why."""
    found = _laid(session, nation)
    if not session.as_json and not any(laid.against or laid.withheld for laid in found):
        session.say("Nothing of the newest releases is withheld over TAXII.")
    for laid in found:
        if laid.against:
            _tell(session, laid, None, laid.against)
        for kept in laid.withheld:
            _tell(session, laid, kept, kept.reasons)


def _tell(session: Session, laid: Laid, kept: Kept | None, reasons: Sequence[Reason]) -> None:
    """Tell what stands against one object, or against the whole collection."""
    value = {
        "agreement": laid.shelf.agreement_id,
        "object": kept.object_id if kept else None,
        "version": kept.version if kept else None,
        "lane": kept.lane if kept else None,
        "release": kept.sequence if kept else None,
        "reasons": reasons_json(session, reasons),
    }
    heading = kept.object_id if kept else laid.shelf.agreement_id
    session.emit(value, lambda: "\n".join([heading, *reason_lines(session, reasons, "  ")]))


def _laid(session: Session, nation: str) -> list[Laid]:
    node = session.node()
    with node.db.read() as connection:
        node.partners.get(connection, NationId(nation))
        return laid_for(node.channel, connection, NationId(nation), session.now())


def _account(at: datetime, value: PartnerAccount) -> dict[str, Any]:
    return {
        "name": value.name,
        "expires": value.expires_at,
        "last used": value.used_at,
        "state": "revoked" if value.revoked_at else "expired" if value.expires_at <= at else "in-use",
        "id": value.id,
    }
