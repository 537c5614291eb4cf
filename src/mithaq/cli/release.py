"""`mithaq release`: decisions about releases, and what became of them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click
from sqlalchemy import Connection

from mithaq.agreements.model import State
from mithaq.cli.agreement.find import resolve, title_of
from mithaq.cli.approve import approve
from mithaq.cli.layout import Column, agreement_word, printable, reason_lines, reasons_json, show_rows, word
from mithaq.cli.session import Session
from mithaq.cli.why import why
from mithaq.exchange import ledger
from mithaq.exchange.ledger import Refusal, Sent
from mithaq.exchange.proving import Proving
from mithaq.kernel.ids import NationId
from mithaq.node.composition import Node
from mithaq.node.language import msgid

__all__ = ["release", "why"]
_LIMIT = click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many at most.")
_PARTNER = click.option("--partner", default=None, help="Only this nation's.")
_OBJECT = click.option("--object", "object_id", default=None, help="Only this object's.")
_ORDERS = {
    "agreement": Column(msgid("agreement")),
    "title": Column(msgid("title")),
    "purpose": Column(msgid("purpose"), word),
}


def _first_of(_session: Session, value: Sequence[str]) -> str:
    """Show the first object, and how many more there are."""
    if not value:
        return "-"
    more = f" +{len(value) - 1}" if len(value) > 1 else ""
    return printable(value[0]) + more


def _outcome(session: Session, value: str | None) -> str:
    return word(session, f"outcome-{value}") if value else session.words.gettext("no receipt yet")


def _action(session: Session, value: str) -> str:
    return word(session, f"action-{value}")


def _codes(_session: Session, value: Sequence[dict[str, str]]) -> str:
    return printable("; ".join(each["reason"] for each in value))


_SENT = {
    "at": Column(msgid("when")),
    "partner": Column(msgid("to")),
    "sequence": Column(msgid("number")),
    "action": Column(msgid("action"), _action),
    "objects": Column(msgid("object"), _first_of),
    "purpose": Column(msgid("purpose"), word),
    "lane": Column(msgid("lane"), word),
    "outcome": Column(msgid("receipt"), _outcome),
}
_RECEIPTS = {
    "receipted": Column(msgid("when")),
    "partner": Column(msgid("from")),
    "sequence": Column(msgid("number")),
    "release": Column(msgid("release")),
    "outcome": Column(msgid("outcome"), _outcome),
    "after": Column(msgid("after")),
    "refused": Column(msgid("not admitted"), lambda _, value: str(len(value)) if value else "-"),
}
_REFUSED = {
    "at": Column(msgid("when")),
    "partner": Column(msgid("nation")),
    "object": Column(msgid("object")),
    "lane": Column(msgid("lane"), word),
    "reasons": Column(msgid("why"), _codes),
}


@click.group()
def release() -> None:
    """Standing orders, vetoes, what was released and what was withheld."""


release.add_command(approve)


@release.command()
@click.argument("agreement_id", metavar="AGREEMENT")
@click.option("--purpose", default="defence", show_default=True, help="A purpose of the agreement.")
@click.pass_obj
def order(session: Session, agreement_id: str, purpose: str) -> None:
    """Order that new objects go to the parties of AGREEMENT as soon as they are here; each is still judged."""
    node = session.node()
    known = resolve(node, agreement_id)
    node.exchange.stand(known.document.id, purpose, at=session.now(), actor=session.actor)
    _emit_orders(session, node)
    if (state := known.state(session.now())) is not State.IN_FORCE:
        session.say(
            "Nothing leaves under this agreement yet; where it stands: %(state)s.",
            state=agreement_word(session, str(state)),
        )


@release.command()
@click.argument("agreement_id", metavar="AGREEMENT")
@click.pass_obj
def stop(session: Session, agreement_id: str) -> None:
    """End the standing order of AGREEMENT."""
    node = session.node()
    known = resolve(node, agreement_id)
    node.exchange.stop(known.document.id, at=session.now(), actor=session.actor)
    _emit_orders(session, node)


@release.command()
@click.pass_obj
def orders(session: Session) -> None:
    """List the standing orders."""
    _emit_orders(session, session.node())


@release.command()
@click.argument("object_id", metavar="OBJECT")
@click.argument("partner", required=False)
@click.pass_obj
def veto(session: Session, object_id: str, partner: str | None) -> None:
    """Keep OBJECT from PARTNER, or from everybody; a veto wins over every agreement."""
    node = session.node()
    node.exchange.veto(object_id, _known(node, partner), at=session.now(), actor=session.actor)
    _emit_veto(session, object_id, partner, stands=True)
    with node.db.read() as connection:
        holders = sorted({each.recipient for each in _sent(connection, node, None, object_id, limit=1000)})
    if holders:
        session.say(
            "%(nations)s had it before. To ask for it back: mithaq object withdraw %(object)s --reason “…”",
            nations=", ".join(holders),
            object=object_id,
        )


@release.command()
@click.argument("object_id", metavar="OBJECT")
@click.argument("partner", required=False)
@click.pass_obj
def unveto(session: Session, object_id: str, partner: str | None) -> None:
    """Lift the veto that keeps OBJECT from PARTNER, or from everybody."""
    node = session.node()
    node.exchange.lift_veto(object_id, _known(node, partner), at=session.now(), actor=session.actor)
    _emit_veto(session, object_id, partner, stands=False)


@release.command()
@click.argument("partner")
@click.pass_obj
def resume(session: Session, partner: str) -> None:
    """Go on with a partner that was sent more than this node remembers, after a backup was restored."""
    node = session.node()
    first, last = node.exchange.resume(NationId(partner.upper()), at=session.now(), actor=session.actor)
    session.emit(
        {"partner": partner.upper(), "first": first, "last": last},
        lambda: session.words.gettext(
            msgid("The numbers %(first)s to %(last)s count as used; %(partner)s gets the next one."),
            first=first,
            last=last,
            partner=partner.upper(),
        ),
    )


@release.command()
@_PARTNER
@_OBJECT
@_LIMIT
@click.pass_obj
def sent(session: Session, partner: str | None, object_id: str | None, limit: int) -> None:
    """List what was released, newest first."""
    node = session.node()
    with node.db.read() as connection:
        found = _sent(connection, node, _known(node, partner), object_id, limit)
    show_rows(session, [_sent_row(session, each) for each in found], _SENT, empty=msgid("Nothing was released."))


@release.command()
@_PARTNER
@_LIMIT
@click.option("--missing", is_flag=True, help="The releases for which no receipt came back.")
@click.pass_obj
def receipts(session: Session, partner: str | None, limit: int, missing: bool) -> None:
    """List the partners' signed receipts, newest first; each was verified when it came."""
    node = session.node()
    with node.db.read() as connection:
        found = _sent(
            connection, node, _known(node, partner), None, limit, lambda each: (each.outcome is None) is missing
        )
    rows = [_sent_row(session, each) for each in found]
    if missing:
        show_rows(session, rows, _SENT, empty=msgid("Every release has its receipt."))
        return
    show_rows(session, rows, _RECEIPTS, empty=msgid("No receipt came back."))
    for each in found if not session.as_json else ():
        for name, reasons in each.refused:
            session.say("%(nation)s did not admit %(object)s:", nation=each.recipient, object=printable(name))
            click.echo("\n".join(reason_lines(session, reasons, "  ")), err=True)


@release.command()
@_PARTNER
@_OBJECT
@_LIMIT
@click.pass_obj
def withheld(session: Session, partner: str | None, object_id: str | None, limit: int) -> None:
    """List what did not leave and why, newest first; known to this node alone."""
    node = session.node()
    with node.db.read() as connection:
        found = ledger.withheld(connection, limit=limit, recipient=_known(node, partner), object_id=object_id)
    show_rows(session, [_refused_row(session, each) for each in found], _REFUSED, empty=msgid("Nothing was withheld."))


@release.command()
@_LIMIT
@click.pass_obj
def quarantine(session: Session, limit: int) -> None:
    """List what partners sent and this node did not admit, newest first."""
    with session.node().db.read() as connection:
        found = ledger.quarantined(connection, limit=limit)
    show_rows(
        session, [_refused_row(session, each) for each in found], _REFUSED, empty=msgid("Nothing is in quarantine.")
    )


def _known(node: Node, partner: str | None) -> NationId | None:
    """Return the partner's code where one is named.

    Raises:
        UnknownPartner: there is no card of that nation here.
    """
    if partner is None:
        return None
    with node.db.read() as connection:
        return node.partners.get(connection, NationId(partner)).nation


def _sent(
    connection: Connection,
    node: Node,
    partner: NationId | None,
    object_id: str | None,
    limit: int,
    wanted: Callable[[Sent], bool] = lambda _: True,
) -> list[Sent]:
    """Return releases to one partner or to all, newest first."""
    nations = [partner] if partner else [each.nation for each in node.partners.all(connection)]
    found: list[Sent] = []
    for nation in nations:
        found += _first(
            limit,
            (
                each
                for each in _every(connection, nation)
                if wanted(each) and (object_id is None or object_id in each.objects)
            ),
        )
    return sorted(found, key=lambda each: (each.sent_at, each.sequence), reverse=True)[:limit]


def _every(connection: Connection, nation: NationId) -> Iterable[Sent]:
    before: int | None = None
    while page := ledger.sent_to(connection, nation, before=before, limit=500):
        yield from page
        before = page[-1].sequence


def _first(limit: int, found: Iterable[Sent]) -> list[Sent]:
    return [each for _, each in zip(range(limit), found, strict=False)]


@release.command()
@click.argument("subject", metavar="OBJECT_OR_RELEASE")
@click.option("--reason", required=True, help="Why it cannot wait; the log keeps it and the recipient reads it.")
@click.pass_obj
def emergency(session: Session, subject: str, reason: str) -> None:
    """Let a release that waits for witnesses go before they answer; the log says so, the proof is owed afterwards."""
    node = session.node()
    released = Proving(node.channel).order_emergency(subject, reason, at=session.now(), actor=session.actor)
    session.emit(
        {"releases": released, "reason": reason},
        lambda: "\n".join(session.words.gettext("%(release)s goes at once.", release=each) for each in released),
    )


def _emit_orders(session: Session, node: Node) -> None:
    with node.db.read() as connection:
        standing = node.exchange.standing(connection)
        known = {agreement_id: node.agreements.find(connection, agreement_id) for agreement_id, _ in standing}
    rows = [
        {"agreement": agreement_id, "title": title_of(session, known[agreement_id]), "purpose": purpose}
        for agreement_id, purpose in standing
    ]
    show_rows(session, rows, _ORDERS, empty=msgid("No standing order: nothing is released by itself."))


def _emit_veto(session: Session, object_id: str, partner: str | None, *, stands: bool) -> None:
    value = {"object": object_id, "partner": partner, "veto": stands}
    words, to = session.words.gettext, partner or session.words.gettext("everybody")
    session.emit(
        value,
        lambda: (
            words("%(object)s is kept from %(nation)s.", object=object_id, nation=to)
            if stands
            else words("The veto on %(object)s for %(nation)s is lifted.", object=object_id, nation=to)
        ),
    )


def _sent_row(session: Session, each: Sent) -> dict[str, Any]:
    return {
        "at": each.sent_at,
        "partner": each.recipient,
        "sequence": each.sequence,
        "release": each.release_id,
        "action": each.action,
        "objects": list(each.objects),
        "agreement": each.agreement_id,
        "purpose": each.purpose,
        "lane": each.lane,
        "outcome": each.outcome,
        "receipted": each.receipted_at,
        "after": each.receipted_at - each.sent_at if each.receipted_at else None,
        "refused": [{"object": name, "reasons": reasons_json(session, reasons)} for name, reasons in each.refused],
    }


def _refused_row(session: Session, each: Refusal) -> dict[str, Any]:
    return {
        "at": each.at,
        "partner": each.nation,
        "object": each.object_id,
        "lane": each.lane or None,
        "agreement": each.agreement_id or None,
        "purpose": each.purpose or None,
        "reasons": reasons_json(session, each.reasons),
    }
