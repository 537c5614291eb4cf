"""`mithaq sigma`: import Sigma rules, look what they ask, try them on events."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import click

from mithaq.cli.files import unusable
from mithaq.cli.importing import finish, rules_with_terms
from mithaq.cli.layout import Column, show_rows
from mithaq.cli.options import LANE
from mithaq.cli.rule_files import rule_files
from mithaq.cli.session import EXIT_FAILED, Session
from mithaq.intelligence.imports.sigma import import_sigma
from mithaq.intelligence.model import ImportTerms
from mithaq.kernel.lane import Lane
from mithaq.node.language import msgid
from mithaq.standards.sigma import LogSource, SigmaRule, read_rules

_CHECKED = {
    "id": Column(msgid("rule")),
    "title": Column(msgid("title")),
    "level": Column(msgid("level")),
    "techniques": Column(msgid("techniques")),
    "fields": Column(msgid("fields")),
    "problem": Column(msgid("problem")),
}
_TESTED = {
    "rule": Column(msgid("rule")),
    "title": Column(msgid("title")),
    "level": Column(msgid("level")),
    "count": Column(msgid("count")),
    "first": Column(msgid("the first of them")),
}
_LISTED = {
    "indicator": Column(msgid("indicator")),
    "title": Column(msgid("title")),
    "level": Column(msgid("level")),
    "kinds": Column(msgid("kinds of events")),
    "problem": Column(msgid("problem")),
}
_FIRST = 3


@click.group()
def sigma() -> None:
    """Import Sigma rules, look what they ask, try them on events."""


@sigma.command()
@rules_with_terms
def add(ctx: click.Context, paths: tuple[str, ...], terms: ImportTerms) -> None:
    """Import the rules in PATHS: files, folders, zip archives, or `-` for standard input.

    Each rule becomes an indicator; a newer text of a rule becomes its next version.
    """
    session: Session = ctx.obj
    report = import_sigma(session.node().holdings, rule_files(paths), terms=terms, at=session.now())
    finish(ctx, report)


@sigma.command("list")
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.option("--refused", is_flag=True, help="Only the rules that cannot be followed.")
@click.pass_obj
def list_(session: Session, lane: Lane, refused: bool) -> None:
    """List the rules as the detector has them: of which kinds of events each is asked, or why it cannot be followed.

    A rule without any kind is held and shared, but this node reads no such events.
    """
    node = session.node()
    with node.db.read() as connection:
        rules = node.detection.sigma_rules(connection, lane)
    rows = [
        {
            "indicator": each.indicator_id,
            "title": each.facts.title,
            "level": each.facts.level,
            "kinds": list(each.facts.kinds),
            "fields": list(each.facts.fields),
            "problem": session.words.reason(each.problem) if each.problem is not None else "",
        }
        for each in rules
        if each.problem is not None or not refused
    ]
    show_rows(session, rows, _LISTED, empty=msgid("The detector follows no Sigma rule."))


@sigma.command()
@click.argument("paths", nargs=-1, required=True)
@click.pass_context
def check(ctx: click.Context, paths: tuple[str, ...]) -> None:
    """Say of each rule in PATHS which fields it asks, and what this node cannot do of it; nothing is stored."""
    from mithaq.detection.sigma.checking import check_rules

    session: Session = ctx.obj
    checked = list(check_rules(rule_files(paths)))
    rows = [
        {
            "id": each.id,
            "title": each.title,
            "level": each.level,
            "techniques": list(each.techniques),
            "fields": list(each.fields),
            "problem": session.words.reason(each.problem) if each.problem is not None else "",
        }
        for each in checked
    ]
    show_rows(session, rows, _CHECKED, empty=msgid("there is no rule in it"))
    failed = sum(each.problem is not None for each in checked)
    session.say("%(count)s rules, %(failed)s of them cannot be followed", count=len(checked), failed=failed)
    if failed or not checked:
        ctx.exit(EXIT_FAILED)


@sigma.command()
@click.argument("rules")
@click.argument("events", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--product", default="", help="What events are that do not tell it themselves, for instance zeek.")
@click.option("--category", default="")
@click.option("--service", default="")
@click.pass_context
def test(ctx: click.Context, rules: str, events: tuple[Path, ...], product: str, category: str, service: str) -> None:
    """Try the rules in RULES on EVENTS, files of Windows event logs (EVTX) or of JSON lines; nothing is stored."""
    session: Session = ctx.obj
    files = list(rule_files((rules,)))
    named = {each.id: each for _, body in files for each in read_rules(body) if isinstance(each, SigmaRule)}
    source = LogSource(product, category, service)
    counted, first = _tried(session, files, events, (source,) if any(source) else ())
    rows = [_tried_row(rule, count, named, first) for rule, count in counted.most_common()]
    show_rows(session, rows, _TESTED, empty=msgid("No rule matches."))


def _tried(
    session: Session, files: list[tuple[str, bytes]], paths: tuple[Path, ...], sources: tuple[LogSource, ...]
) -> tuple[Counter[str], dict[str, list[str]]]:
    from mithaq.detection.sigma.checking import units_of
    from mithaq.detection.sigma.engine import SigmaEngine
    from mithaq.detection.sigma.events import Broken, read_events

    engine = SigmaEngine()
    for key, error in engine.load(units_of(files)):
        session.say(
            "refused %(object)s: %(reason)s", object=key, reason=session.words.gettext(error.message, **error.params)
        )
    counted: Counter[str] = Counter()
    first: dict[str, list[str]] = {}
    read = broken = 0
    for path in paths:
        try:
            for event in read_events(path, sources):
                if isinstance(event, Broken):
                    broken += 1
                    continue
                read += 1
                for matched in engine.match(event.fields, event.raw, event.sources, event.at):
                    counted[matched.rule] += 1
                    if counted[matched.rule] <= _FIRST:
                        first.setdefault(matched.rule, []).append(f"{path.name}:{event.number}")
        except OSError as error:
            raise unusable(str(path), error) from error
    session.say("%(events)s events, %(broken)s of them broken", events=read + broken, broken=broken)
    return counted, first


def _tried_row(rule: str, count: int, named: dict[str, SigmaRule], first: dict[str, list[str]]) -> dict[str, Any]:
    known = named.get(rule)
    return {
        "rule": rule,
        "title": known.title if known else "",
        "level": known.level if known else "",
        "count": count,
        "first": first.get(rule, []),
    }
