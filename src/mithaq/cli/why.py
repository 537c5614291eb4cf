"""`mithaq why`: why an object may or may not go to a partner."""

from collections.abc import Sequence
from typing import Any

import click

from mithaq.agreements.model import Agreement
from mithaq.cli.agreement.find import title_of
from mithaq.cli.layout import agreement_word, reason_lines, reasons_json, word
from mithaq.cli.options import LANE
from mithaq.cli.session import EXIT_NOT_FOUND, EXIT_REFUSED, Session
from mithaq.exchange.orders import Why
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane


@click.command()
@click.argument("object_id", metavar="OBJECT")
@click.argument("partner")
@click.option("--purpose", default="defence", show_default=True, help="What the partner would get it for.")
@click.option("--lane", type=LANE, default="actual", show_default=True, help="Where the object is.")
@click.pass_context
def why(ctx: click.Context, object_id: str, partner: str, purpose: str, lane: Lane) -> None:
    """Say why OBJECT may or may not go to PARTNER: every agreement, every failing clause, what would mend it.

    Ends with 4 where no agreement allows it.
    """
    session: Session = ctx.obj
    node, at = session.node(), session.now()
    with node.db.read() as connection:
        nation = node.partners.get(connection, NationId(partner)).nation
        versions = node.holdings.get(connection, object_id, lane)
        if not versions:
            session.say("%(object)s is not held in the lane %(lane)s", object=object_id, lane=str(lane))
            ctx.exit(EXIT_NOT_FOUND)
        answers = node.exchange.why(connection, versions[0], nation, purpose, at)
        gate = node.channel.gatekeeper(connection, at)
        agreements = [gate.agreement(each.agreement_id) for each in answers]
    allowed = any(each.verdict.allowed for each in answers)
    value = {
        "object": object_id,
        "partner": nation,
        "purpose": purpose,
        "lane": str(lane),
        "allowed": allowed,
        "already_has_it": any(each.already_has_it for each in answers),
        "agreements": [_why_json(session, each) for each in answers],
    }
    session.emit(value, lambda: _why_text(session, answers, agreements))
    if not allowed:
        ctx.exit(EXIT_REFUSED)


def _why_json(session: Session, answer: Why) -> dict[str, Any]:
    return {
        "agreement": answer.agreement_id or None,
        "allowed": answer.verdict.allowed,
        "reasons": reasons_json(session, answer.verdict.reasons),
        "approved_by": sorted(answer.approved_by),
        "protected_version": answer.protected_id or None,
        "protected_version_went": answer.protected_went,
    }


def _why_text(session: Session, answers: Sequence[Why], agreements: Sequence[Agreement | None]) -> str:
    words, first = session.words.gettext, answers[0]
    may = any(each.verdict.allowed for each in answers)
    told = {"object": first.object_id, "nation": first.partner, "purpose": word(session, first.purpose)}
    lines = [
        words("%(object)s may go to %(nation)s for %(purpose)s.", **told)
        if may
        else words("%(object)s may not go to %(nation)s for %(purpose)s.", **told)
    ]
    if first.already_has_it:
        lines.append(words("%(nation)s has this object already.", nation=first.partner))
    for answer, known in zip(answers, agreements, strict=True):
        lines += ["", _heading(session, answer, known), *reason_lines(session, answer.verdict.reasons, "  ")]
        if answer.waits_for_a_person and answer.approved_by:
            lines.append("  " + words("Approved by: %(persons)s", persons=", ".join(sorted(answer.approved_by))))
        lines += [f"  {line}" for line in _instead(session, answer)]
    return "\n".join(lines)


def _instead(session: Session, answer: Why) -> list[str]:
    if not answer.protected_id:
        return []
    if answer.protected_went:
        return [session.words.gettext("A protected version went instead: %(object)s", object=answer.protected_id)]
    return [session.words.gettext("A protected version is there instead: %(object)s", object=answer.protected_id)]


def _heading(session: Session, answer: Why, known: Agreement | None) -> str:
    words = session.words
    if known is None:
        return words.gettext("No agreement with %(nation)s:", nation=answer.partner)
    state = agreement_word(session, str(known.state(session.now())))
    named = f"{title_of(session, known)} ({known.document.id}, {state})"
    if answer.verdict.allowed:
        return words.gettext("%(agreement)s: allowed", agreement=named)
    return words.ngettext(
        "%(agreement)s: refused for one reason",
        "%(agreement)s: refused for %(count)s reasons",
        len(answer.verdict.reasons),
        agreement=named,
    )
