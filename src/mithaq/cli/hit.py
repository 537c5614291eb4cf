"""`mithaq hit`: what was found in this node's telemetry, and what people make of it."""

from typing import Any

import click

from mithaq.cli.session import Session
from mithaq.detection.model import Dismissal, Hit, HitState
from mithaq.detection.service import Explanation
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.lane import Lane

_COLUMNS = ("hit", "event_at", "source", "seen", "indicator", "nation", "agreement", "retro", "state")


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
    session.emit_rows([_summary(each) for each in page.hits], _COLUMNS)


@hit.command()
@click.argument("hit_id")
@click.pass_obj
def show(session: Session, hit_id: str) -> None:
    """Show everything behind a hit: the event, the object, who said so, under which agreement."""
    node = session.node()
    with node.db.read() as connection:
        explained = node.detection.explain(connection, hit_id)
    session.emit(_explanation(explained))


@hit.command()
@click.argument("hit_id")
@click.pass_obj
def confirm(session: Session, hit_id: str) -> None:
    """Confirm a hit; its sighting goes back to the originator under the same agreement."""
    sighting = session.node().detection.confirm(hit_id, session.actor, session.now())
    session.emit({"hit": hit_id, "sighting": sighting}, lambda: sighting)


@hit.command()
@click.argument("hit_id")
@click.option(
    "--as",
    "why",
    type=click.Choice([each.value for each in Dismissal]),
    required=True,
    help="false-positive: the indicator is wrong. benign: it is right, and what was seen here is expected.",
)
@click.option("--reason", default="", help="Why; a false positive needs a reason, without the value itself.")
@click.pass_obj
def dismiss(session: Session, hit_id: str, why: str, reason: str) -> None:
    """Dismiss a hit; a false positive becomes an opinion, which goes back to the originator with the reason."""
    found = Dismissal(why)
    opinion = session.node().detection.dismiss(hit_id, session.actor, session.now(), why=found, reason=reason)
    if opinion or session.as_json:
        session.emit({"hit": hit_id, "as": why, "opinion": opinion or None}, lambda: opinion)


def _summary(each: Hit) -> dict[str, Any]:
    return {
        "row": each.row,
        "hit": each.hit_id,
        "event_at": rfc3339(each.event_at),
        "matched_at": rfc3339(each.matched_at),
        "source": each.source,
        "kind": each.kind,
        "field": each.sight.field,
        "seen": str(each.sight.seen),
        "matched": str(each.sight.matched),
        "indicator": each.indicator_id,
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
    }


def _explanation(explained: Explanation) -> dict[str, Any]:
    summary = _summary(explained.hit)
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
