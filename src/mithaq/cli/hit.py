"""`mithaq hit`: what was found in this node's telemetry, and what people make of it."""

from typing import Any

import click

from mithaq.cli.hit_groups import group, groups, keep_off, reopen, resume, sight_json, stopped, why_not
from mithaq.cli.session import Session
from mithaq.detection.model import Dismissal, Hit, HitState
from mithaq.detection.service import Explanation
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.lane import Lane

_COLUMNS = ("hit", "event_at", "source", "seen", "indicator", "techniques", "nation", "agreement", "retro", "state")
_MAX_DIGITS = 18


@click.group()
def hit() -> None:
    """List, show, confirm and dismiss detections."""


@hit.command("list")
@click.option("--lane", default="actual", show_default=True)
@click.option("--state", type=click.Choice([each.value for each in HitState]))
@click.option("--indicator", help="Only hits of this indicator's STIX id.")
@click.option("--after", type=int, help="Continue after this row of the page before.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@click.pass_obj
def list_(session: Session, lane: str, state: str | None, indicator: str | None, after: int | None, limit: int) -> None:
    """List hits, newest first."""
    node = session.node()
    with node.db.read() as connection:
        page = node.detection.hits(
            connection,
            Lane.parse(lane),
            after,
            limit,
            state=HitState(state) if state else None,
            indicator_id=indicator,
        )
    rows = [_summary(each, page.techniques.get(each.object_row, ())) for each in page.hits]
    session.emit_rows(rows, _COLUMNS)


@hit.command()
@click.argument("hit_id")
@click.pass_obj
def show(session: Session, hit_id: str) -> None:
    """Show everything behind a hit: the event, the object, who said so, under which agreement."""
    node = session.node()
    with node.db.read() as connection:
        explained = node.detection.explain(connection, hit_id)
    session.emit(_explanation(explained))


_UP_TO = click.option("--up-to", type=int, help="Of a group, only hits up to this row: those you have seen.")


@hit.command()
@click.argument("hit_id", metavar="HIT|GROUP")
@_UP_TO
@click.pass_obj
def confirm(session: Session, hit_id: str, up_to: int | None) -> None:
    """Confirm a hit, or a group by its number; one sighting goes back to the originator under the same agreement."""
    node, at = session.node(), session.now()
    if (number := _group_number(hit_id)) is not None:
        sighting = node.triage.confirm(number, session.actor, at, up_to)
    else:
        sighting = node.detection.confirm(hit_id, session.actor, at)
    session.emit({"hit": hit_id, "sighting": sighting}, lambda: sighting)


@hit.command()
@click.argument("hit_id", metavar="HIT|GROUP")
@click.option(
    "--as",
    "why",
    type=click.Choice([each.value for each in Dismissal]),
    required=True,
    help="false-positive: the indicator is wrong. benign: it is right, and what was seen here is expected.",
)
@click.option("--reason", default="", help="Why; a false positive needs a reason, without the value itself.")
@click.option("--days", default=0, help="Of a benign group: further hits are expected, and dismissed, for so long.")
@_UP_TO
@click.pass_obj
def dismiss(session: Session, hit_id: str, why: str, reason: str, days: int, up_to: int | None) -> None:
    """Dismiss a hit, or a group by its number; a false positive becomes an opinion, which goes to the originator."""
    node, at, found = session.node(), session.now(), Dismissal(why)
    if (number := _group_number(hit_id)) is not None:
        opinion = node.triage.dismiss(number, session.actor, at, why=found, reason=reason, up_to=up_to, days=days)
    elif days:
        raise click.UsageError(session.words.gettext("hits are expected of a group: name it by its number"))
    else:
        opinion = node.detection.dismiss(hit_id, session.actor, at, why=found, reason=reason)
    if opinion or session.as_json:
        session.emit({"hit": hit_id, "as": why, "opinion": opinion or None}, lambda: opinion)


for _command in (groups, group, reopen, stopped, resume, keep_off, why_not):
    hit.add_command(_command)


def _group_number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < _MAX_DIGITS else None


def _summary(each: Hit, techniques: tuple[str, ...]) -> dict[str, Any]:
    return {
        "row": each.row,
        "hit": each.hit_id,
        "event_at": rfc3339(each.event_at),
        "matched_at": rfc3339(each.matched_at),
        "source": each.source,
        "kind": each.kind,
        **sight_json(each.sight),
        "indicator": each.indicator_id,
        "techniques": list(techniques),
        "nation": each.origin.nation,
        "agreement": each.origin.agreement_id,
        "agreement_version": each.origin.agreement_version,
        "lane": str(each.lane),
        "retro": each.retro,
        "state": each.state.value,
        "sighting": each.sighting_id or None,
        "dismissed_as": each.dismissed_as,
        "reason": each.reason or None,
        "opinion": each.opinion_id or None,
        "warned": list(each.warned),
    }


def _explanation(explained: Explanation) -> dict[str, Any]:
    summary = _summary(explained.hit, explained.techniques)
    summary["event"] = explained.hit.raw.decode("utf-8", "replace")
    summary["with"] = [
        {
            "event": each.event_id,
            "event_at": rfc3339(each.event_at),
            "field": each.sight.field,
            "seen": str(each.sight.seen),
            "line": each.raw.decode("utf-8", "replace"),
        }
        for each in explained.hit.companions
    ]
    seen = explained.seen
    if seen is not None:
        summary["object"] = seen.body.decode("utf-8", "replace")
        summary["provenance"] = [
            {
                "source": each.source,
                "nation": each.nation,
                "agreement": each.agreement_id,
                "agreement_version": each.agreement_version,
                "release": each.release_id,
                "purpose": each.purpose,
                "tlp": each.tlp.label,
                "received_at": rfc3339(each.received_at),
                "standing": each.standing,
            }
            for each in seen.provenance
        ]
    return summary
