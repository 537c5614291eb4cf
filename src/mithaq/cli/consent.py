"""`mithaq consent`: passing on what another nation originated, with its consent."""

from datetime import timedelta

import click

from mithaq.cli.agreement.find import resolve
from mithaq.cli.layout import Column, plain, show_rows, word
from mithaq.cli.options import LANE
from mithaq.cli.session import Session
from mithaq.exchange.consent import Answer
from mithaq.exchange.consents import Asked
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.node.language import msgid

_COLUMNS = {
    "number": Column(msgid("number")),
    "at": Column(msgid("when")),
    "originator": Column(msgid("originator")),
    "holder": Column(msgid("asked by")),
    "recipient": Column(msgid("for")),
    "object": Column(msgid("object")),
    "answer": Column(msgid("answer"), lambda session, value: word(session, f"consent-{value}")),
    "until": Column(msgid("until")),
}


@click.group()
def consent() -> None:
    """Ask an originator that an object may be passed on, and answer who asks this nation."""


@consent.command()
@click.argument("object_id", metavar="OBJECT")
@click.option("--to", "recipient", required=True, metavar="NATION", help="Who would get it.")
@click.option("--agreement", "agreement_id", required=True, metavar="ID", help="The agreement with that nation.")
@click.option("--purpose", default="defence", show_default=True, help="A purpose of the agreement.")
@click.option("--lane", type=LANE, default="actual", show_default=True, help="Where the object is.")
@click.pass_obj
def ask(session: Session, object_id: str, recipient: str, agreement_id: str, purpose: str, lane: Lane) -> None:
    """Ask the originator of OBJECT whether its newest version may go on; it leaves once that is consented to."""
    node = session.node()
    known = resolve(node, agreement_id).document.id
    node.consents.ask(
        object_id,
        NationId(recipient.upper()),
        known,
        purpose=purpose,
        lane=lane,
        at=session.now(),
        actor=session.actor,
    )
    _show(session)


@consent.command()
@click.argument("number", type=click.IntRange(1))
@click.option("--days", type=click.IntRange(1, 3650), default=30, show_default=True, help="For how long.")
@click.pass_obj
def give(session: Session, number: int, days: int) -> None:
    """Consent to request NUMBER, as `mithaq consent list` shows it."""
    _answer(session, number, "given", days)


@consent.command()
@click.argument("number", type=click.IntRange(1))
@click.pass_obj
def refuse(session: Session, number: int) -> None:
    """Refuse request NUMBER, or take an earlier consent back for what has not left yet."""
    _answer(session, number, "refused", 0)


@consent.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """List what this nation asked and was asked, with the answers."""
    _show(session)


def _answer(session: Session, number: int, answer: Answer, days: int) -> None:
    at = session.now()
    session.node().consents.answer(number, answer, at + timedelta(days=days), at=at, actor=session.actor)
    _show(session)


def _show(session: Session) -> None:
    node = session.node()
    with node.db.read() as connection:
        found = node.consents.all(connection)
    show_rows(session, [_row(each) for each in found], _COLUMNS, empty=msgid("Nobody has asked for consent."))


def _row(asked: Asked) -> dict[str, object]:
    passage = asked.passage
    return plain(
        {
            "number": asked.row,
            "at": asked.at,
            "originator": passage.originator,
            "holder": passage.holder,
            "recipient": passage.recipient,
            "object": passage.object,
            "digest": passage.digest,
            "agreement": passage.agreement,
            "answer": asked.answer,
            "until": asked.until,
        }
    )
