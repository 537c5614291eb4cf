"""Groups of hits, what is stopped, and why not: the part of `mithaq hit` that is about more than one hit."""

from typing import Any

import click

from mithaq.cli.foreseen import foreseen_lines
from mithaq.cli.layout import Column, cell, plain, printable, reason_lines, reasons_json, show_rows, word
from mithaq.cli.options import LANE
from mithaq.cli.session import EXIT_NOT_FOUND, Session
from mithaq.detection.hits import breaker
from mithaq.detection.hits.breaker import Rate
from mithaq.detection.hits.looking import Looking, looking
from mithaq.detection.hits.triage import GroupStory
from mithaq.detection.model import Group, Hit, HitState, RuleSight, Sight
from mithaq.exchange.planning import Foreseen
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.lane import Lane
from mithaq.node.ahead import Ahead, ahead
from mithaq.node.ahead import as_json as foreseen_json
from mithaq.node.language import msgid
from mithaq.standards.sigma import LEVELS

_GROUPS = {
    "group": Column(msgid("group")),
    "new": Column(msgid("to decide")),
    "count": Column(msgid("hits")),
    "seen": Column(msgid("seen")),
    "level": Column(msgid("level"), lambda session, value: word(session, f"level-{value}") if value else "-"),
    "source": Column(msgid("source")),
    "nation": Column(msgid("said by")),
    "first_at": Column(msgid("first")),
    "last_at": Column(msgid("last")),
    "expected_until": Column(msgid("expected until")),
    "warned": Column(msgid("warning lists")),
}
_STOPPED = {
    "object": Column(msgid("object")),
    "source": Column(msgid("source")),
    "standing": Column(msgid("state"), lambda session, value: word(session, f"breaker-{value}")),
    "stopped_at": Column(msgid("stopped")),
    "held_back": Column(msgid("held back")),
}
_LINES = 20


@click.command()
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.option("--state", type=click.Choice([each.value for each in HitState]))
@click.option("--level", type=click.Choice(LEVELS), help="Leave out rules of a lower level; what has none is shown.")
@click.option("--after", default="", help="Continue after the page before: its `next`.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1_000))
@click.pass_obj
def groups(session: Session, lane: Lane, state: str | None, level: str | None, after: str, limit: int) -> None:
    """List hits of one object in one source on one value together, the newest first."""
    node = session.node()
    with node.db.read() as connection:
        chosen = HitState(state) if state else None
        page = node.triage.page(connection, lane, state=chosen, level=level, after=after, limit=limit)
    show_rows(session, [_group(each) for each in page.groups], _GROUPS, empty=msgid("No hit."))
    if page.next is not None:
        session.say("more: --after %(row)s", row=page.next)


@click.command()
@click.argument("number", type=int)
@click.pass_obj
def group(session: Session, number: int) -> None:
    """Show a group: its newest lines, the object, and who would learn what from a decision about it."""
    node, at = session.node(), session.now()
    with node.db.read() as connection:
        story = node.triage.story(connection, number)
        newest = node.detection.hits(connection, story.group.lane, limit=_LINES, group=number).hits
        told = ahead(node, connection, story, at)
    value = plain(_group(story.group)) | {
        "up_to": story.waiting.newest.row if story.waiting else None,
        "object": story.seen.body.decode("utf-8", "replace") if story.seen else None,
        "hits": [_line(each) for each in newest],
        "if_confirmed": _foreseen(session, told.sighting),
        "if_false_positive": _foreseen(session, told.opinion),
    }
    session.emit(value, lambda: _story_text(session, story, newest, told))


@click.command()
@click.argument("number", type=int)
@click.pass_obj
def reopen(session: Session, number: int) -> None:
    """Take back that a group was expected here; its hits wait again."""
    count = session.node().triage.reopen(number, session.actor, session.now())
    session.emit({"group": number, "reopened": count}, lambda: str(count))


@click.command()
@click.pass_obj
def stopped(session: Session) -> None:
    """List objects that hit too often in a source and were stopped there, or are kept off."""
    with session.node().db.read() as connection:
        rates = breaker.stopped(connection, kept_off=True)
    show_rows(session, [_stopped(each) for each in rates], _STOPPED, empty=msgid("Nothing is stopped."))


@click.command()
@click.argument("object_id", metavar="OBJECT")
@click.argument("source")
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.pass_obj
def resume(session: Session, object_id: str, source: str, lane: Lane) -> None:
    """Let OBJECT hit in SOURCE again; `mithaq hunt` finds what was held back."""
    with session.node().db.write(session.now()) as tx:
        held_back = breaker.resume(tx, object_id, source, lane, session.actor)
    session.emit({"object": object_id, "source": source, "held_back": held_back}, lambda: str(held_back))


@click.command("keep-off")
@click.argument("object_id", metavar="OBJECT")
@click.argument("source")
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.pass_obj
def keep_off(session: Session, object_id: str, source: str, lane: Lane) -> None:
    """Decide that OBJECT, which was stopped in SOURCE, hits there no more."""
    with session.node().db.write(session.now()) as tx:
        breaker.keep_off(tx, object_id, source, lane, session.actor)
    session.emit({"object": object_id, "source": source, "standing": breaker.Standing.KEPT_OFF.value}, lambda: "")


@click.command("why-not")
@click.argument("object_id", metavar="OBJECT")
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.pass_context
def why_not(ctx: click.Context, object_id: str, lane: Lane) -> None:
    """Say whether OBJECT is looked for in telemetry, and if not, every reason."""
    session: Session = ctx.obj
    node, at = session.node(), session.now()
    with node.db.read() as connection:
        versions = node.holdings.get(connection, object_id, lane)
        found = looking(connection, versions, node.warning_lists, at) if versions else None
    if found is None:
        session.say("this node holds no indicator %(object)s", object=object_id[:120])
        ctx.exit(EXIT_NOT_FOUND)
    value = {
        "object": object_id,
        "looked_for": not found.against,
        "reasons": reasons_json(session, found.against),
        "stopped": [plain(_stopped(each)) for each in found.stopped],
        "warned": [{"value": value, "lists": list(lists)} for value, lists in found.warned],
    }
    session.emit(value, lambda: _looking_text(session, found))


def sight_json(sight: Sight | RuleSight) -> dict[str, Any]:
    """Return what a hit or a group says it saw: an observable, or a rule and what answered it."""
    if isinstance(sight, Sight):
        return {"field": sight.field, "seen": str(sight.seen), "matched": str(sight.matched), "rule": None}
    rule = {
        "id": sight.rule_id,
        "title": sight.title,
        "level": sight.level or None,
        "answers": [{"field": name or None, "value": value} for name, value in sight.answers],
        "events": sight.events,
    }
    return {"field": None, "seen": sight.title, "matched": None, "rule": rule}


def _group(each: Group) -> dict[str, Any]:
    return {
        "group": each.row,
        "state": each.state.value,
        "dismissed_as": each.dismissed_as,
        "count": each.count,
        "new": each.new,
        "confirmed": each.confirmed,
        "dismissed": each.dismissed,
        "retro": each.retro,
        "expected_by": each.expected.by if each.expected else None,
        "expected_until": each.expected.until if each.expected else None,
        **sight_json(each.sight),
        "level": each.sight.level or None,
        "source": each.source,
        "indicator": each.indicator_id,
        "nation": each.origin.nation,
        "agreement": each.origin.agreement_id,
        "agreement_version": each.origin.agreement_version,
        "first_at": each.first_at,
        "last_at": each.last_at,
        "touched_at": each.touched_at,
        "lane": str(each.lane),
        "warned": list(each.warned),
    }


def _foreseen(session: Session, foreseen: tuple[Foreseen, ...]) -> list[dict[str, Any]]:
    return [foreseen_json(each, reasons_json(session, each.verdict.reasons)) for each in foreseen]


def _line(each: Hit) -> dict[str, Any]:
    return {
        "hit": each.hit_id,
        "row": each.row,
        "event_at": rfc3339(each.event_at),
        "retro": each.retro,
        "state": each.state.value,
        "event": each.raw.decode("utf-8", "replace"),
    }


def _stopped(each: Rate) -> dict[str, Any]:
    return {
        "object": each.indicator_id,
        "source": each.source,
        "lane": str(each.lane),
        "standing": each.standing.value,
        "stopped_at": each.stopped_at,
        "last_at": each.last_at,
        "held_back": each.held_back,
    }


def _story_text(session: Session, story: GroupStory, newest: tuple[Hit, ...], told: Ahead) -> str:
    words, known = session.words, story.group
    facts = _group(known)
    lines = [f"{words.gettext(column.title)}: {cell(session, facts[key])}" for key, column in _GROUPS.items()]
    lines += [f"{words.gettext('Indicator')}: {known.indicator_id}", ""]
    lines += [f"{rfc3339(each.event_at)}  {printable(each.raw.decode('utf-8', 'replace'))}" for each in newest]
    for title, foreseen in (
        (words.gettext("If you confirm it, a sighting is made."), told.sighting),
        (words.gettext("If you call it a false positive, an opinion is made."), told.opinion),
    ):
        if story.waiting is not None:
            told_to = foreseen_lines(session, foreseen) or [words.gettext("Nobody else learns of it.")]
            lines += ["", title, *("  " + line for line in told_to)]
    return "\n".join(lines)


def _looking_text(session: Session, found: Looking) -> str:
    words = session.words.gettext
    lines = reason_lines(session, found.against) or [words("It is looked for in every event.")]
    for each in found.stopped:
        told: dict[str, str | int] = {"source": each.source, "count": each.held_back}
        lines.append(words("It hit too often in %(source)s and is stopped there; held back: %(count)s", **told))
    for value, lists in found.warned:
        named = ", ".join(lists)
        lines.append(printable(words("%(value)s stands on warning lists: %(lists)s", value=value, lists=named)))
    return "\n".join(lines)
