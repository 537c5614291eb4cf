"""`mithaq object`: import, search, show and withdraw STIX objects."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import click

from mithaq.cli.files import read_input, unusable
from mithaq.cli.layout import Column, show_rows, word
from mithaq.cli.lookup import lookup
from mithaq.cli.misp import object_misp
from mithaq.cli.options import LANE, PAP, TLP, instruction_of, nations_of
from mithaq.cli.protect import protect
from mithaq.cli.session import EXIT_FAILED, EXIT_NOT_FOUND, Session
from mithaq.exchange.ledger.became import said_of
from mithaq.exchange.recalling import take_back
from mithaq.intelligence.comments import Said, disputes
from mithaq.intelligence.imports.bundle import import_bundle
from mithaq.intelligence.imports.misp import import_misp
from mithaq.intelligence.imports.text import FoundValue, IndicatorTerms, look_up, own_indicators
from mithaq.intelligence.model import ImportReport, ImportTerms, Provenance, StoredObject
from mithaq.intelligence.settings import CLI_FILE, MAX_TEXT_CHARS, MISP_MAX_BYTES
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.lane import Lane
from mithaq.node.language import msgid
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

_MAX_TEXT_BYTES = 4 * MAX_TEXT_CHARS
_FOUND = ("type", "value", "known", "warned")
_DISPUTED = {
    "object": Column(msgid("object")),
    "by": Column(msgid("said by")),
    "says": Column(msgid("opinion"), lambda session, value: word(session, f"opinion-{value}")),
    "said": Column(msgid("when")),
    "explanation": Column(msgid("explanation")),
}
_SEARCHED = ("stored", "type", "name", "tlp", "from", "id")


@click.group("object")
def object_() -> None:
    """Import, search, show and withdraw STIX objects."""


object_.add_command(protect)
object_.add_command(lookup)
object_.add_command(object_misp)


@object_.command("import")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--misp", "form", flag_value="misp", help="The file holds MISP events.")
@click.option("--text", "form", flag_value="text", help="The file is a report: show the values in it.")
@click.option("--create", is_flag=True, help="With --text: make indicators of values on no warning list.")
@click.option("--tlp", type=TLP, default=None, help="The least strict label of everything in the file.")
@click.option("--pap", type=PAP, default=None)
@click.option("--name", default="", help="With --create: the name of the indicators.")
@click.option("--valid-days", type=click.IntRange(1, 3650), default=90, show_default=True)
@click.option("--agreement", default=None, help="Release everything in the file under this agreement.")
@click.option("--to", "recipients", default=None, help="Only to these parties, for instance XB,XC.")
@click.option("--purpose", default="defence", show_default=True)
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.pass_context
def import_(
    ctx: click.Context,
    file: str,
    form: str | None,
    create: bool,
    tlp: Tlp | None,
    pap: Pap | None,
    name: str,
    valid_days: int,
    agreement: str | None,
    recipients: str | None,
    purpose: str,
    lane: Lane,
) -> None:
    """Import FILE: a STIX bundle (streamed, up to 1 GB), MISP events, or a report; `-` is standard input."""
    session: Session = ctx.obj
    instruction = instruction_of(agreement, nations_of(recipients), purpose, session.actor)
    if form == "text":
        terms = IndicatorTerms(
            nation=session.node().nation,
            lane=lane,
            tlp=Tlp.RED if tlp is None else tlp,
            pap=pap,
            valid_until=session.now() + timedelta(days=valid_days),
            name=name,
            instruction=instruction,
        )
        _text(session, file, terms, create=create)
        return
    imported = ImportTerms(session.node().nation, lane, tlp, pap, instruction=instruction)
    report = _misp(session, file, imported) if form == "misp" else _bundle(session, file, imported)
    _tell(session, report)
    if report.broken or (report.refused_count and not report.stored + report.duplicates):
        ctx.exit(EXIT_FAILED)


@object_.command()
@click.argument("object_id")
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.option("--body", is_flag=True, help="Print the newest version's original bytes and nothing else.")
@click.pass_context
def show(ctx: click.Context, object_id: str, lane: Lane, body: bool) -> None:
    """Show every version of an object, who said it under which agreement, and with the newest what was found of it."""
    session: Session = ctx.obj
    node = session.node()
    with node.db.read() as connection:
        versions = node.holdings.get(connection, object_id, lane)
        said = said_of(connection, object_id, lane)
    if not versions:
        session.say("%(object)s is not held in the lane %(lane)s", object=object_id, lane=str(lane))
        ctx.exit(EXIT_NOT_FOUND)
    if body:
        sys.stdout.buffer.write(versions[0].body)
        return
    shown = [_shown(version) for version in versions]
    shown[0]["found"] = [_said(each) for each in said]
    session.emit(shown)


@object_.command()
@click.argument("query", nargs=-1)
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@click.option("--after", type=int, default=None, help="Continue after the last row of the page before.")
@click.pass_context
def search(ctx: click.Context, query: tuple[str, ...], lane: Lane, limit: int, after: int | None) -> None:
    """Search, newest first.

    Values (defanged too), ids, words, beginnings of words (`phish*`), and the filters `type:report` `from:XB`
    `tlp:green` `is:withdrawn` `label:` `sector:` `confidence>70` `seen:7d` `valid:yes`. A minus before any of them
    excludes it: give the whole search in quotes, after `--`.
    """
    session: Session = ctx.obj
    node = session.node()
    with node.db.read() as connection:
        page = node.holdings.search(connection, " ".join(query), lane, after, limit, at=session.now())
    session.emit_rows([_summary(item) for item in page.objects], _SEARCHED)
    if page.next is not None:
        session.say("more: --after %(row)s", row=page.next)


@object_.command()
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@click.pass_obj
def disputed(session: Session, lane: Lane, limit: int) -> None:
    """List who says that an object of this nation is wrong, and why; nothing is revoked by itself."""
    node = session.node()
    with node.db.read() as connection:
        said = disputes(connection, lane, limit)
    rows = [{"object": about, **_said(each)} for each in said for about in each.comment.about]
    show_rows(session, rows, _DISPUTED, empty=msgid("Nobody disputes an object of this nation."))


@object_.command()
@click.argument("object_id")
@click.option("--reason", required=True, help="Why, for the partners who have it.")
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.pass_context
def withdraw(ctx: click.Context, object_id: str, reason: str, lane: Lane) -> None:
    """Take back this nation's word for an object; partners who got it are told."""
    session: Session = ctx.obj
    node = session.node()
    with node.db.read() as connection:
        versions = node.holdings.get(connection, object_id, lane)
    if not any(word.nation == node.nation for version in versions for word in version.provenance):
        session.say("this nation never gave its word for %(object)s", object=object_id)
        ctx.exit(EXIT_NOT_FOUND)
    with node.db.write(session.now()) as tx:
        rows = take_back(tx, node.holdings, object_id, lane, node.nation, reason)
    session.emit({"id": object_id, "withdrawn": bool(rows), "versions": len(rows)})


def _bundle(session: Session, file: str, terms: ImportTerms) -> ImportReport:
    node = session.node()
    try:
        opened = click.open_file(file, "rb")
    except OSError as error:
        raise unusable(file, error) from error
    with opened as source:
        return import_bundle(
            node.holdings,
            source,
            door=CLI_FILE,
            terms=terms,
            warning_lists=node.warning_lists,
            at=session.now(),
        )


def _misp(session: Session, file: str, terms: ImportTerms) -> ImportReport:
    node = session.node()
    body = read_input(file, MISP_MAX_BYTES)
    return import_misp(node.holdings, body, terms=terms, warning_lists=node.warning_lists, at=session.now())


def _text(session: Session, file: str, terms: IndicatorTerms, *, create: bool) -> None:
    node, at = session.node(), session.now()
    text = read_input(file, _MAX_TEXT_BYTES).decode("utf-8", "replace")
    with node.db.read() as connection:
        found = look_up(node.holdings, connection, text, terms.lane, node.warning_lists)
    session.emit_rows([_found(item) for item in found], _FOUND)
    if not create:
        return
    chosen = [item.observable for item in found if item.observable and not item.warned and not item.known_rows]
    with node.db.write(at) as tx:
        report = node.holdings.store(tx, own_indicators(chosen, terms, at))
    session.say("%(count)s indicators created", count=report.stored)


def _tell(session: Session, report: ImportReport) -> None:
    """Print the counts for people, everything for programs; name what was refused on standard error."""
    if not session.as_json:
        for name, reason in report.refused[:20]:
            session.say("refused %(object)s: %(reason)s", object=name, reason=session.words.reason(reason))
        for item in report.warned[:20]:
            session.say("%(value)s stands on warning lists: %(lists)s", value=item.value, lists=", ".join(item.lists))
        if report.broken:
            session.say("the rest could not be read: %(reason)s", reason=session.words.reason(report.broken))
    session.emit(report.as_json(), lambda: _counts(session, report))


def _counts(session: Session, report: ImportReport) -> str:
    return session.words.gettext(
        "%(stored)s stored, %(duplicates)s known already, %(refused)s refused, %(warned)s on warning lists,"
        " %(unmatchable)s not matchable",
        stored=report.stored,
        duplicates=report.duplicates,
        refused=report.refused_count,
        warned=report.warned_count,
        unmatchable=report.unmatchable_count,
    )


def _found(item: FoundValue) -> dict[str, Any]:
    return item.as_json()


def _summary(item: StoredObject) -> dict[str, Any]:
    return {
        "row": item.row,
        "id": item.stix.id,
        "type": item.stix.type,
        "name": item.stix.name or ", ".join(observable.value for observable in item.stix.observables[:3]),
        "tlp": item.tlp.label,
        "from": sorted({word.nation for word in item.provenance if word.standing == "stands"}),
        "stored": rfc3339(item.stored_at),
    }


def _shown(item: StoredObject) -> dict[str, Any]:
    return {
        **_summary(item),
        "lane": str(item.lane),
        "modified": rfc3339(item.stix.modified) if item.stix.modified else None,
        "revoked": item.stix.revoked,
        "stands": item.stands,
        "pap": item.pap.label if item.pap is not None else None,
        "observables": [str(observable) for observable in item.stix.observables],
        "provenance": [_word(word) for word in item.provenance],
        "release": [
            {"agreement": asked.agreement_id, "to": asked.recipients, "purpose": asked.purpose}
            for asked in item.instructions
        ],
        "body": item.body.decode("utf-8", "replace"),
    }


def _said(each: Said) -> dict[str, Any]:
    return {
        "id": each.stored.stix.id,
        "by": list(each.by),
        "says": each.comment.opinion or each.stored.stix.type,
        "explanation": each.comment.explanation or None,
        "count": each.comment.count,
        "said": rfc3339(each.stored.stix.modified or each.stored.stored_at),
    }


def _word(word: Provenance) -> dict[str, Any]:
    return {
        "source": word.source,
        "nation": word.nation,
        "agreement": word.agreement_id,
        "agreement_version": word.agreement_version,
        "release": word.release_id,
        "purpose": word.purpose,
        "tlp": word.tlp.label,
        "pap": word.pap.label if word.pap is not None else None,
        "received": rfc3339(word.received_at),
        "standing": word.standing,
        "standing_reason": word.standing_reason,
        "original": word.original,
        "carried": dict(word.carried),
    }
