"""Detection: hits, and one hit with its event, its object and the agreement under which it is known."""

from collections.abc import Callable

from starlette.responses import Response

from mithaq.detection.model import Dismissal, HitState
from mithaq.detection.settings import MAX_REASON_CHARS
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.nations.people.audit import audited
from mithaq.nations.people.model import Verb
from mithaq.web.doors import Door, Visit
from mithaq.web.intelligence import titles
from mithaq.web.settings import ROWS_A_PAGE

_SHOWN_EVENT_BYTES = 8_000


def hits(visit: Visit) -> Response:
    """Show one page of hits, newest first."""
    node, lane = visit.site.node, Lane.parse(visit.query("lane") or str(ACTUAL))
    wanted = visit.query("state")
    state = HitState(wanted) if wanted in list(HitState) else None
    asked = visit.query("after")
    after = int(asked) if asked.isdecimal() and len(asked) < 19 else None
    with node.db.read() as connection:
        page = node.detection.hits(connection, lane, after, ROWS_A_PAGE, state=state)
        counts = node.detection.counts(connection, lane)
    return visit.page(
        "detection.html", page=page, counts=counts, lane=str(lane), state=wanted if state else "", states=list(HitState)
    )


def hit(visit: Visit) -> Response:
    """Show one hit."""
    node = visit.site.node
    with node.db.read() as connection:
        explained = node.detection.explain(connection, visit.request.path_params["hit_id"])
        names = titles(visit, connection)
    event = explained.hit.raw[:_SHOWN_EVENT_BYTES].decode("utf-8", "replace")
    return visit.page(
        "hit.html",
        hit=explained.hit,
        object=explained.seen,
        techniques=explained.techniques,
        event=event,
        titles=names,
        people=node.people.names(),
        reason_chars=MAX_REASON_CHARS,
        shown_event_bytes=_SHOWN_EVENT_BYTES,
    )


def confirm(visit: Visit) -> Response:
    """Confirm a hit; its sighting goes back to the originator under the same agreement."""
    decide = visit.site.node.detection.confirm
    return _decided(visit, "detection.confirm", lambda hit_id: decide(hit_id, visit.person.id, visit.at))


def dismiss(visit: Visit) -> Response:
    """Dismiss a hit; only who says so dismisses it as a false positive, which accuses the indicator."""
    decide = visit.site.node.detection.dismiss
    why = Dismissal.FALSE_POSITIVE if visit.field("why") == Dismissal.FALSE_POSITIVE else Dismissal.BENIGN
    reason = visit.field("reason")
    return _decided(
        visit,
        "detection.dismiss",
        lambda hit_id: decide(hit_id, visit.person.id, visit.at, why=why, reason=reason),
    )


def _decided(visit: Visit, action: str, decide: Callable[[str], str]) -> Response:
    node, hit_id = visit.site.node, visit.request.path_params["hit_id"]
    with audited(node.db, visit.at, actor=visit.person.id, action=action, subject=hit_id[:200]):
        decide(hit_id)
    return visit.go(f"/detection/{hit_id}")


DOORS = (
    Door("/detection/hits", hits, Verb.DETECTION_READ),
    Door("/detection/{hit_id}", hit, Verb.DETECTION_READ),
    Door("/detection/{hit_id}/confirm", confirm, Verb.DETECTION_CONFIRM, "POST"),
    Door("/detection/{hit_id}/dismiss", dismiss, Verb.DETECTION_CONFIRM, "POST"),
)
