"""`mithaq object note|opinion|propose|proposals|accept|decline`: what this nation says of objects, and is asked to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import click

from mithaq.cli.files import read_input
from mithaq.cli.layout import Column, show_rows
from mithaq.cli.options import LANE, PAP, TLP, instruction_of, nations_of, release_options
from mithaq.cli.session import Session
from mithaq.intelligence.comments import said_of
from mithaq.intelligence.errors import NotHeld
from mithaq.intelligence.model import NewObject, ReleaseInstruction, StoredObject
from mithaq.intelligence.proposals import answer, as_json, listed
from mithaq.intelligence.remarks import (
    MAX_PROPOSED_BYTES,
    RemarkTerms,
    instructions_back,
    note_on,
    opinion_on,
    own_opinion,
    proposal_on,
)
from mithaq.kernel.lane import Lane
from mithaq.node.language import msgid
from mithaq.standards.pap import Pap
from mithaq.standards.stix import fields_of
from mithaq.standards.stix.comment import Agreement, Answer
from mithaq.standards.tlp import Tlp

_PROPOSED = {
    "id": Column(msgid("proposal")),
    "object": Column(msgid("object")),
    "by": Column(msgid("said by")),
    "why": Column(msgid("why")),
    "answer": Column(msgid("answer")),
}


@dataclass(frozen=True)
class _Asked:
    """The options that every remark takes."""

    lane: Lane
    tlp: Tlp
    pap: Pap | None
    instruction: ReleaseInstruction | None
    tell: bool


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a remark, as one value."""

    def taken(
        *args: Any,
        lane: Lane,
        tlp: Tlp | None,
        pap: Pap | None,
        tell: bool,
        agreement: str | None,
        recipients: str | None,
        purpose: str,
        **rest: Any,
    ) -> None:
        session: Session = click.get_current_context().obj
        instruction = instruction_of(agreement, nations_of(recipients), purpose, session.actor)
        command(session, *args, _Asked(lane, tlp or Tlp.CLEAR, pap, instruction, tell), **rest)

    taken.__doc__, taken.__name__ = command.__doc__, command.__name__
    for option in (
        release_options,
        click.option("--tell", is_flag=True, help="Release it to the partners whose word the object stands by."),
        click.option("--pap", type=PAP, default=None),
        click.option("--tlp", type=TLP, default=None, help="The least strict label; never laxer than the object's."),
        click.option("--lane", type=LANE, default="actual", show_default=True),
    ):
        taken = option(taken)
    return taken


@click.command()
@click.argument("object_id")
@click.argument("text")
@_options
def note(session: Session, asked: _Asked, object_id: str, text: str) -> None:
    """Write a note on any object, a partner's too; it stays here unless its release is asked for."""
    stored = _held(session, object_id, asked.lane)
    _store(session, note_on(stored, text, _terms(session, stored, asked)))


@click.command()
@click.argument("object_id")
@click.argument("opinion", type=click.Choice(get_args(Agreement)))
@click.option("--why", default="", help="What it rests on.")
@_options
def opinion(session: Session, asked: _Asked, object_id: str, opinion: Agreement, why: str) -> None:
    """Say how far this nation agrees with an object; a second opinion is the next version of the first."""
    stored = _held(session, object_id, asked.lane)
    with session.node().db.read() as connection:
        before = own_opinion(said_of(connection, [object_id], asked.lane))
    _store(session, opinion_on(stored, opinion, why, _terms(session, stored, asked), before))


@click.command()
@click.argument("object_id")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--why", required=True, help="Why it should be so, for its owner.")
@_options
def propose(session: Session, asked: _Asked, object_id: str, file: str, why: str) -> None:
    """Propose to an object's owner how it should be: FILE holds the whole object, changed; `-` is standard input."""
    stored = _held(session, object_id, asked.lane)
    proposed = fields_of(read_input(file, MAX_PROPOSED_BYTES))
    _store(session, proposal_on(stored, proposed, why, _terms(session, stored, asked)))


@click.command()
@click.option("--all", "answered", is_flag=True, help="Also those that were answered.")
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.pass_obj
def proposals(session: Session, answered: bool, lane: Lane) -> None:
    """List the changes that others propose of this nation's objects."""
    node = session.node()
    with node.db.read() as connection:
        found = listed(connection, node.holdings, lane, answered=answered)
    empty = msgid("Nobody proposes a change of an object of this nation.")
    show_rows(session, [as_json(each) for each in found], _PROPOSED, empty=empty)


@click.command()
@click.argument("proposal_id")
@click.option("--text", default="", help="A word to whoever proposed it.")
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.pass_obj
def accept(session: Session, proposal_id: str, text: str, lane: Lane) -> None:
    """Accept a proposal: a new version of the own object; whoever proposed it is told."""
    _answer(session, proposal_id, lane, "accepted", text)


@click.command()
@click.argument("proposal_id")
@click.option("--reason", required=True, help="Why not, for whoever proposed it.")
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.pass_obj
def decline(session: Session, proposal_id: str, reason: str, lane: Lane) -> None:
    """Decline a proposal; whoever proposed it is told."""
    _answer(session, proposal_id, lane, "declined", reason)


def _answer(session: Session, proposal_id: str, lane: Lane, given: Answer, text: str) -> None:
    node, at = session.node(), session.now()
    answer(node.holdings, proposal_id, lane, given, text, RemarkTerms(node.nation, at))
    session.emit({"proposal": proposal_id, "answer": given}, lambda: session.words.gettext(_ANSWERED[given]))


_ANSWERED = {"accepted": msgid("Accepted; the object has a new version."), "declined": msgid("Declined.")}


def _held(session: Session, object_id: str, lane: Lane) -> StoredObject:
    node = session.node()
    with node.db.read() as connection:
        versions = node.holdings.get(connection, object_id, lane)
    if not versions:
        raise NotHeld("this node holds no such object in this lane", subject=object_id[:120])
    return versions[0]


def _terms(session: Session, stored: StoredObject, asked: _Asked) -> RemarkTerms:
    told = instructions_back(stored) if asked.tell else ()
    wanted = (*told, asked.instruction) if asked.instruction is not None else told
    return RemarkTerms(session.node().nation, session.now(), asked.tlp, asked.pap, wanted)


def _store(session: Session, new: Sequence[NewObject]) -> None:
    node = session.node()
    with node.db.write(session.now()) as tx:
        node.holdings.store(tx, new)
    stix_id = new[0].stix.id
    session.emit({"id": stix_id, "tlp": new[0].provenance.tlp.label}, lambda: stix_id)


COMMANDS = (note, opinion, propose, proposals, accept, decline)
