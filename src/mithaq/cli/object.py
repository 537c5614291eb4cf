"""`mithaq object`: import, search, show and withdraw STIX objects."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import click

from mithaq.cli.files import open_input, read_input
from mithaq.cli.importing import FORMS, finish, import_advisory, import_file, mapping_of
from mithaq.cli.layout import Column, show_rows, word
from mithaq.cli.lookup import lookup
from mithaq.cli.misp import object_misp
from mithaq.cli.options import ADMIRALTY, LANE, PAP, TLP, instruction_of, nations_of, release_options
from mithaq.cli.protect import protect
from mithaq.cli.remarks import COMMANDS as REMARKS
from mithaq.cli.session import EXIT_NOT_FOUND, Session
from mithaq.cli.viewing import object_text, related_text
from mithaq.exchange import revising
from mithaq.exchange.event_versions import keep_event
from mithaq.exchange.ledger.viewing import said_as_json, summary_as_json, view_of
from mithaq.exchange.recalling import take_back
from mithaq.intelligence.comments import disputes
from mithaq.intelligence.imports.bundle import import_bundle
from mithaq.intelligence.imports.misp import import_misp
from mithaq.intelligence.imports.text import IndicatorTerms, look_up, own_indicators, plainly_new
from mithaq.intelligence.model import ImportReport, ImportTerms
from mithaq.intelligence.related import as_json, related
from mithaq.intelligence.settings import CLI_FILE, MAX_TEXT_CHARS, MISP_MAX_BYTES
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.lane import Lane
from mithaq.node.language import msgid
from mithaq.standards.admiralty import Admiralty
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
for _command in REMARKS:
    object_.add_command(_command)


@object_.command("import")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--as", "form", type=click.Choice(FORMS), help="What the file is; a STIX bundle where nothing is said.")
@click.option("--misp", "form", flag_value="misp", help="The file holds MISP events.")
@click.option("--text", "form", flag_value="text", help="The file is a report: show the values in it.")
@click.option("--mapping", default=None, help="With --as list or csv: a JSON file that says what its columns mean.")
@click.option(
    "--origin", default=None, help="With --as list or csv: the list's own name, the file's where none is given."
)
@click.option("--create", is_flag=True, help="With --text: make indicators of values on no warning list.")
@click.option("--tlp", type=TLP, default=None, help="The least strict label of everything in the file.")
@click.option("--pap", type=PAP, default=None)
@click.option("--admiralty", type=ADMIRALTY, default=None, help="How you rate source and information, such as B2.")
@click.option("--name", default="", help="With --create: the name of the indicators.")
@click.option("--valid-days", type=click.IntRange(1, 3650), default=90, show_default=True)
@release_options
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.pass_context
def import_(
    ctx: click.Context,
    file: str,
    form: str | None,
    mapping: str | None,
    origin: str | None,
    create: bool,
    tlp: Tlp | None,
    pap: Pap | None,
    admiralty: Admiralty | None,
    name: str,
    valid_days: int,
    agreement: str | None,
    recipients: str | None,
    purpose: str,
    lane: Lane,
) -> None:
    """Import FILE; `-` is standard input.

    A STIX bundle or a list is streamed, up to 1 GB. A CSAF advisory is held against the `.sha256` and `.sha512` files
    beside it.
    """
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
            admiralty=admiralty,
        )
        _text(session, file, terms, create=create)
        return
    imported = ImportTerms(session.node().nation, lane, tlp, pap, instruction=instruction, admiralty=admiralty)
    if form in ("list", "csv"):
        read_as = mapping_of(form, mapping, origin or Path(file).name, valid_days)
        report = import_file(session, file, read_as, imported)
    elif form == "csaf":
        report = import_advisory(session, file, imported)
    else:
        report = _misp(session, file, imported) if form == "misp" else _bundle(session, file, imported)
    finish(ctx, report)


@object_.command()
@click.argument("object_id")
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.option("--body", is_flag=True, help="Print the newest version's original bytes and nothing else.")
@click.pass_context
def show(ctx: click.Context, object_id: str, lane: Lane, body: bool) -> None:
    """Show every version of an object and who said it under which agreement.

    With the newest: where versions differ, what was found of it, what it is still worth, and which other indicators
    mean the same.
    """
    session: Session = ctx.obj
    node = session.node()
    with node.db.read() as connection:
        versions = node.holdings.get(connection, object_id, lane)
        view = view_of(connection, versions, session.now()) if versions and not body else None
    if not versions:
        session.say("%(object)s is not held in the lane %(lane)s", object=object_id, lane=str(lane))
        ctx.exit(EXIT_NOT_FOUND)
    if view is None:
        sys.stdout.buffer.write(versions[0].body)
        return
    shown = view.as_json()
    newest, *older = shown.pop("versions")
    session.emit([{**newest, **shown}, *older], lambda: object_text(session, view))


@object_.command("related")
@click.argument("object_id")
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.pass_context
def related_(ctx: click.Context, object_id: str, lane: Lane) -> None:
    """Show what else names the same values or refers to the same objects, newest first, and what refers to this one.

    What more than 100 objects share is told as that, and not expanded.
    """
    session: Session = ctx.obj
    node = session.node()
    with node.db.read() as connection:
        versions = node.holdings.get(connection, object_id, lane)
        found = related(connection, versions[0]) if versions else None
    if found is None:
        session.say("%(object)s is not held in the lane %(lane)s", object=object_id, lane=str(lane))
        ctx.exit(EXIT_NOT_FOUND)
    session.emit(as_json(found), lambda: related_text(session, found))


@object_.command()
@click.argument("query", nargs=-1)
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@click.option("--after", type=int, default=None, help="Continue after the last row of the page before.")
@click.pass_context
def search(ctx: click.Context, query: tuple[str, ...], lane: Lane, limit: int, after: int | None) -> None:
    """Search, newest first.

    Values (defanged too), ids, words, beginnings of words (`phish*`), and the filters `type:report` `from:XB`
    `from:source:osint` `tlp:green` `is:withdrawn` `label:` `sector:` `confidence>70` `seen:7d` `valid:yes`. A minus
    before any of them excludes it: give the whole search in quotes, after `--`.
    """
    session: Session = ctx.obj
    node = session.node()
    with node.db.read() as connection:
        page = node.holdings.search(connection, " ".join(query), lane, after, limit, at=session.now())
    session.emit_rows([summary_as_json(item) for item in page.objects], _SEARCHED)
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
    rows = [{"object": about, **said_as_json(each)} for each in said for about in each.comment.about]
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


@object_.command()
@click.argument("object_id")
@click.option("--confidence", type=click.IntRange(0, 100), help="How sure this nation still is, from 0 to 100.")
@click.option("--revoke", is_flag=True, help="It was wrong: nobody shall use it any more.")
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.pass_obj
def revise(session: Session, object_id: str, confidence: int | None, revoke: bool, lane: Lane) -> None:
    """Lower or revoke an indicator of this nation; the new version is to go to all who got the old one."""
    if revoke == (confidence is not None):
        raise click.UsageError(session.words.gettext("give either --confidence or --revoke"))
    node, at = session.node(), session.now()
    revised = revising.revise(node.channel, object_id, lane, at, session.actor, confidence=confidence)
    value = {"id": object_id, "modified": rfc3339(revised.modified), "recipients": list(revised.recipients)}
    session.emit(value, lambda: ", ".join(revised.recipients) or "-")


def _bundle(session: Session, file: str, terms: ImportTerms) -> ImportReport:
    node = session.node()
    with open_input(file) as source:
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
    return import_misp(
        node.holdings, body, terms=terms, warning_lists=node.warning_lists, keep=keep_event, at=session.now()
    )


def _text(session: Session, file: str, terms: IndicatorTerms, *, create: bool) -> None:
    node, at = session.node(), session.now()
    text = read_input(file, _MAX_TEXT_BYTES).decode("utf-8", "replace")
    with node.db.read() as connection:
        found = look_up(node.holdings, connection, text, terms.lane, node.warning_lists)
    session.emit_rows([item.as_json() for item in found], _FOUND)
    if not create:
        return
    with node.db.write(at) as tx:
        report = node.holdings.store(tx, own_indicators(plainly_new(found), terms, at))
    session.say("%(count)s indicators created", count=report.stored)
