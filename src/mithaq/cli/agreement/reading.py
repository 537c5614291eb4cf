"""`mithaq agreement list` and `show`: which agreements there are, and what one says."""

import click

from mithaq.cli.agreement.find import resolve
from mithaq.cli.agreement.shown import emit, row_of
from mithaq.cli.layout import Column, agreement_word, show_rows
from mithaq.cli.session import Session
from mithaq.node.language import msgid

_COLUMNS = {
    "id": Column(msgid("id")),
    "version": Column(msgid("version")),
    "title": Column(msgid("title")),
    "state": Column(msgid("state"), agreement_word),
    "parties": Column(msgid("parties")),
    "missing": Column(msgid("not signed by")),
    "not_after": Column(msgid("until")),
}


@click.command("list")
@click.option("--all", "every", is_flag=True, help="Earlier versions too.")
@click.pass_obj
def list_(session: Session, every: bool) -> None:
    """List the agreements and where each stands."""
    node, at = session.node(), session.now()
    with node.db.read() as connection:
        known = node.agreements.all(connection)
    newest = {each.document.id: each for each in reversed(known)}
    show_rows(
        session,
        [row_of(session, each, at) for each in (known if every else newest.values())],
        _COLUMNS,
        empty=msgid("No agreement yet. Write one with: mithaq agreement draft --with XB,XC --title-en “…” FILE"),
    )


@click.command()
@click.argument("agreement_id", metavar="ID")
@click.option("--version", type=click.IntRange(1), default=None, help="The newest by default.")
@click.pass_obj
def show(session: Session, agreement_id: str, version: int | None) -> None:
    """Show an agreement: its terms as sentences, who has signed, where it stands."""
    emit(session, resolve(session.node(), agreement_id, version))
