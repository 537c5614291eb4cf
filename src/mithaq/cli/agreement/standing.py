"""`mithaq agreement suspend`, `resume`, `withdraw`, `object`, `send`: what this nation tells the other parties."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, get_args

import click

from mithaq.agreements import statements as rules
from mithaq.agreements.model import Agreement
from mithaq.agreements.statement import Draft, StatementKind, StatementReason
from mithaq.agreements.vocabulary import ObjectKind
from mithaq.cli.agreement.find import resolve
from mithaq.cli.agreement.shown import emit
from mithaq.cli.session import Session
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.node.composition import Node

_ID = click.argument("agreement_id", metavar="ID")
_WORDS = click.option("--words", default="", help="Why, in a sentence, for the people of the other parties.")
_TARGET = click.option("--target", default=None, help="Another party; several must agree. This nation, where absent.")


def _reason(default: StatementReason) -> Callable[[Any], Any]:
    known = click.Choice(get_args(StatementReason))
    return click.option("--reason", type=known, default=default, show_default=True, help="Why.")


@click.command()
@_ID
@_TARGET
@click.option("--kind", "kinds", type=click.Choice(get_args(ObjectKind)), multiple=True, help="Only these objects.")
@_reason("national-decision")
@_WORDS
@click.pass_obj
def suspend(
    session: Session,
    agreement_id: str,
    target: str | None,
    kinds: tuple[ObjectKind, ...],
    reason: StatementReason,
    words: str,
) -> None:
    """Suspend an agreement for this nation at once, or ask with others that another party be suspended."""
    _say(session, agreement_id, "suspend", reason, words, target=target, scope=kinds)


@click.command()
@_ID
@_TARGET
@_reason("resolved")
@_WORDS
@click.pass_obj
def resume(session: Session, agreement_id: str, target: str | None, reason: StatementReason, words: str) -> None:
    """End a suspension that this nation has made."""
    _say(session, agreement_id, "resume", reason, words, target=target)


@click.command()
@_ID
@click.option("--from", "start", type=click.DateTime(), help="No longer bound from then on (UTC); else after notice.")
@_reason("national-decision")
@_WORDS
@click.pass_obj
def withdraw(session: Session, agreement_id: str, start: datetime | None, reason: StatementReason, words: str) -> None:
    """Withdraw this nation from an agreement, with the notice that was agreed."""
    effective_at = start.replace(tzinfo=UTC) if start else None
    _say(session, agreement_id, "withdraw", reason, words, effective_at=effective_at)


@click.command("object")
@_ID
@_reason("national-decision")
@_WORDS
@click.pass_obj
def object_(session: Session, agreement_id: str, reason: StatementReason, words: str) -> None:
    """Object to the next renewal of an agreement, so that it ends with its present term."""
    _say(session, agreement_id, "object-to-renewal", reason, words)


@click.command()
@_ID
@click.pass_obj
def send(session: Session, agreement_id: str) -> None:
    """Send an agreement with the signatures held here to the nodes of all other parties."""
    node = session.node()
    known = resolve(node, agreement_id)
    others = node.letters.send_agreement(known.document.id, at=session.now(), actor=session.actor)
    session.emit({"id": known.document.id, "to": others}, lambda: ", ".join(others))
    session.say("It leaves as soon as each of their nodes answers: mithaq agreement statements %(id)s", id=agreement_id)


def _say(
    session: Session,
    agreement_id: str,
    kind: StatementKind,
    reason: StatementReason,
    words: str,
    *,
    target: str | None = None,
    scope: tuple[ObjectKind, ...] = (),
    effective_at: datetime | None = None,
) -> None:
    node = session.node()
    known = resolve(node, agreement_id)
    draft = Draft(
        kind,
        reason,
        NationId(target.upper()) if target else None,
        scope,
        {session.words.language: words} if words else None,  # type: ignore[dict-item]  # one of the three
        effective_at,
    )
    try:
        changed = node.statements.say(known.document.id, draft, node.signer, at=session.now(), actor=session.actor)
    except Error:
        if kind == "suspend" and resolve(node, known.document.id).suspended and not known.suspended:
            session.say("It is suspended at this node, but the other parties could not be told.")
        raise
    emit(session, changed)
    if draft.target:
        _count(session, node, changed, draft.target)


def _count(session: Session, node: Node, known: Agreement, target: NationId) -> None:
    """Say how many of those who are needed have suspended a party."""
    with node.db.read() as connection:
        said = [each.statement for each in node.statements.all(connection, known.document.id)]
    session.say(
        "%(count)s of %(needed)s parties that it takes have suspended %(nation)s.",
        count=len(rules.callers(said).get(target, ())),
        needed=known.document.terms.suspension_by or 0,
        nation=target,
    )
