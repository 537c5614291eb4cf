"""`mithaq agreement suspend` and `resume`: this nation alone, at once."""

import click

from mithaq.cli.agreement.find import resolve
from mithaq.cli.agreement.shown import emit
from mithaq.cli.session import Session


@click.command()
@click.argument("agreement_id", metavar="ID")
@click.pass_obj
def suspend(session: Session, agreement_id: str) -> None:
    """Suspend an agreement for this nation at once: nothing more leaves under it."""
    _suspend(session, agreement_id, wanted=True)


@click.command()
@click.argument("agreement_id", metavar="ID")
@click.pass_obj
def resume(session: Session, agreement_id: str) -> None:
    """End the suspension of an agreement."""
    _suspend(session, agreement_id, wanted=False)


def _suspend(session: Session, agreement_id: str, *, wanted: bool) -> None:
    node = session.node()
    known = resolve(node, agreement_id)
    changed = node.agreements.set_suspended(known.document.id, wanted, at=session.now(), actor=session.actor)
    emit(session, changed)
