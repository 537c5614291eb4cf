"""`mithaq release approve`: a release that persons decide together."""

import click

from mithaq.cli.agreement.find import resolve
from mithaq.cli.options import LANE
from mithaq.cli.session import Session
from mithaq.kernel.lane import Lane


@click.command()
@click.argument("object_id", metavar="OBJECT")
@click.option("--agreement", "agreement_id", required=True, metavar="ID", help="Under which it goes out.")
@click.option("--lane", type=LANE, default="actual", show_default=True, help="Where the object is.")
@click.pass_obj
def approve(session: Session, object_id: str, agreement_id: str, lane: Lane) -> None:
    """Approve that the newest version of OBJECT goes out, where the agreement asks for two persons.

    All who work at the console are one person, the operator; the other one approves on the node's pages.
    """
    node = session.node()
    known = resolve(node, agreement_id).document.id
    persons = sorted(node.exchange.approve(object_id, known, lane=lane, at=session.now(), actor=session.actor))
    session.emit(
        {"object": object_id, "agreement": known, "approved_by": persons},
        lambda: session.words.gettext("Approved by: %(persons)s", persons=", ".join(persons)),
    )
