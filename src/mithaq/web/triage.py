"""Triage: groups of hits, what a decision about one would let others learn, and what was stopped."""

from collections.abc import Callable
from urllib.parse import urlencode

from starlette.responses import Response

from mithaq.detection.errors import UnknownGroup
from mithaq.detection.hits import breaker
from mithaq.detection.model import Dismissal, HitState
from mithaq.detection.settings import MAX_REASON_CHARS
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.nations.people.audit import audit, audited
from mithaq.nations.people.model import Verb
from mithaq.node.ahead import ahead
from mithaq.standards.sigma import LEVELS
from mithaq.web.doors import Door, Visit
from mithaq.web.intelligence import titles
from mithaq.web.settings import ROWS_A_PAGE

_SHOWN_LINES = 20
_SHOWN_EVENT_BYTES = 4_000
_SHOWN_STOPPED = 50
_MAX_DIGITS = 18
_LEVELS_OFFERED = LEVELS[2:]
_EXPECTED_DAYS = (7, 30, 90, 365)


def groups(visit: Visit) -> Response:
    """Show one page of groups, the one with the newest match first: those that wait, unless others are asked for."""
    node, lane = visit.site.node, Lane.parse(visit.query("lane") or str(ACTUAL))
    wanted = visit.query("state") or HitState.NEW.value
    state = HitState(wanted) if wanted in list(HitState) else None
    level = visit.query("level") if visit.query("level") in LEVELS else ""
    with node.db.read() as connection:
        page = node.triage.page(
            connection, lane, state=state, level=level or None, after=visit.query("after"), limit=ROWS_A_PAGE
        )
        counts = node.triage.counts(connection, lane)
        up_to = node.triage.newest_row(connection)
        done = _number(visit.query("done"))
        decided = node.triage.story(connection, done).group if done is not None else None
        stopped = breaker.stopped(connection, kept_off=True, limit=_SHOWN_STOPPED)
        names = titles(visit, connection)
    return visit.page(
        "triage.html",
        page=page,
        counts=counts,
        lane=str(lane),
        state=state.value if state else "all",
        level=level,
        levels=_LEVELS_OFFERED,
        up_to=up_to,
        decided=decided,
        stopped=stopped,
        titles=names,
    )


def group(visit: Visit) -> Response:
    """Show one group: its lines, the object, who said so, and who would learn what from either decision."""
    return _group(visit, "")


def confirming(visit: Visit) -> Response:
    """Ask once more before a sighting leaves."""
    return _group(visit, "confirm")


def disputing(visit: Visit) -> Response:
    """Ask why the indicator is wrong before an opinion leaves."""
    return _group(visit, "false-positive")


def confirm(visit: Visit) -> Response:
    """Confirm what was shown of a group."""
    decide, up_to = visit.site.node.triage.confirm, _number(visit.field("up_to"))
    return _decided(visit, "detection.confirm", lambda number: decide(number, visit.person.id, visit.at, up_to))


def dismiss(visit: Visit) -> Response:
    """Dismiss what was shown of a group; only who says so dismisses it as a false positive."""
    decide = visit.site.node.triage.dismiss
    why = Dismissal.FALSE_POSITIVE if visit.field("why") == Dismissal.FALSE_POSITIVE else Dismissal.BENIGN
    up_to, days = _number(visit.field("up_to")), _number(visit.field("days")) or 0
    return _decided(
        visit,
        "detection.dismiss",
        lambda number: decide(
            number, visit.person.id, visit.at, why=why, reason=visit.field("reason"), up_to=up_to, days=days
        ),
    )


def reopen(visit: Visit) -> Response:
    """Take back that a group was expected here."""
    undo = visit.site.node.triage.reopen
    return _decided(visit, "detection.reopen", lambda number: undo(number, visit.person.id, visit.at))


def stopped(visit: Visit) -> Response:
    """Let an object hit again where it was stopped, or keep it off."""
    node, lane = visit.site.node, Lane.parse(visit.field("lane") or str(ACTUAL))
    decide, action = (
        (breaker.keep_off, "detection.keep-off")
        if visit.field("standing") == breaker.Standing.KEPT_OFF
        else (breaker.resume, "detection.resume")
    )
    with node.db.write(visit.at) as tx:
        decide(tx, visit.field("object"), visit.field("source"), lane, visit.person.id)
        audit(tx, actor=visit.person.id, action=action, subject=visit.field("object")[:200])
    return visit.go("/detection?" + urlencode({"lane": str(lane)}))


def _group(visit: Visit, step: str) -> Response:
    node, number = visit.site.node, _asked(visit)
    with node.db.read() as connection:
        story = node.triage.story(connection, number, _number(visit.query("up_to")))
        after = _number(visit.query("after"))
        lines = node.detection.hits(connection, story.group.lane, after, _SHOWN_LINES, group=number)
        told = ahead(node, connection, story, visit.at)
        names = titles(visit, connection)
    return visit.page(
        "group.html",
        step=step if story.waiting else "",
        story=story,
        group=story.group,
        object=story.seen,
        lines=[(each, each.raw[:_SHOWN_EVENT_BYTES].decode("utf-8", "replace")) for each in lines.hits],
        more=lines.next,
        told=told,
        titles=names,
        reason_chars=MAX_REASON_CHARS,
        expected_days=_EXPECTED_DAYS,
        people=node.people.names(),
    )


def _decided(visit: Visit, action: str, decide: Callable[[int], object]) -> Response:
    node, number = visit.site.node, _asked(visit)
    with audited(node.db, visit.at, actor=visit.person.id, action=action, subject=str(number)):
        decide(number)
    with node.db.read() as connection:
        lane = node.triage.story(connection, number).group.lane
    return visit.go("/detection?" + urlencode({"lane": str(lane), "done": number}))


def _asked(visit: Visit) -> int:
    number = _number(visit.request.path_params["number"])
    if number is None:
        raise UnknownGroup("there is no such group of hits", subject=str(visit.request.path_params["number"])[:40])
    return number


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and text.isascii() and len(text) < _MAX_DIGITS else None


DOORS = (
    Door("/detection", groups, Verb.DETECTION_READ),
    Door("/detection/groups/{number}", group, Verb.DETECTION_READ),
    Door("/detection/groups/{number}/confirm", confirming, Verb.DETECTION_CONFIRM),
    Door("/detection/groups/{number}/false-positive", disputing, Verb.DETECTION_CONFIRM),
    Door("/detection/groups/{number}/confirm", confirm, Verb.DETECTION_CONFIRM, "POST"),
    Door("/detection/groups/{number}/dismiss", dismiss, Verb.DETECTION_CONFIRM, "POST"),
    Door("/detection/groups/{number}/reopen", reopen, Verb.DETECTION_CONFIRM, "POST"),
    Door("/detection/stopped", stopped, Verb.DETECTION_CONFIRM, "POST"),
)
