"""`mithaq report`: read a report in whatever it is written, take what was found in it, and empty a mailbox."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import click

from mithaq.cli.files import read_input
from mithaq.cli.layout import Column, printable, show_rows
from mithaq.cli.options import LANE, PAP, TLP, instruction_of, nations_of, release_options
from mithaq.cli.session import Session
from mithaq.exchange.event_versions import keep_event
from mithaq.intelligence.errors import NotAnObservable
from mithaq.intelligence.imports.documents import ReadDocument, read_document, whole_text
from mithaq.intelligence.imports.inbox import MAX_SETTINGS_BYTES, Inbox, InboxSettings, TrayItem, read_settings
from mithaq.intelligence.imports.mailbox import MAX_MESSAGES, Mailbox
from mithaq.intelligence.imports.reports import take_report
from mithaq.intelligence.imports.text import FoundValue, IndicatorTerms, look_up, plainly_new
from mithaq.intelligence.model import ImportTerms
from mithaq.intelligence.settings import REPORT_MAX_BYTES
from mithaq.kernel.lane import Lane
from mithaq.kernel.reason import Reason
from mithaq.node.language import msgid
from mithaq.standards.defang import refang_value
from mithaq.standards.observable import Observable, recognise
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

_FOUND = ("type", "value", "known", "warned")
_TRAY = {
    "number": Column(msgid("number")),
    "taken": Column(msgid("received")),
    "from": Column(msgid("from")),
    "subject": Column(msgid("subject")),
    "parts": Column(msgid("what became of its parts")),
}


@click.group()
def report() -> None:
    """Read reports: texts, PDFs and e-mails."""


@report.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True), required=False)
@click.option("--tray", "number", type=int, default=None, help="The message under this number instead of a file.")
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.pass_obj
def read(session: Session, file: str | None, number: int | None, lane: Lane) -> None:
    """Show the values in FILE (a text, a PDF, an `.eml`), and what is known of them; nothing is stored."""
    _, document = _read(session, file, number)
    session.emit_rows([item.as_json() for item in _found(session, document, lane)], _FOUND)


@report.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True), required=False)
@click.option("--tray", "number", type=int, default=None, help="The message under this number instead of a file.")
@click.option("--all", "every", is_flag=True, help="Every value that is on no warning list and known from nobody.")
@click.option("--value", "values", multiple=True, help="This value of the report, defanged or not; again for more.")
@click.option("--tlp", type=TLP, default=None, help="The label; TLP:RED where none is given.")
@click.option("--pap", type=PAP, default=None, help="What recipients may do with it, for instance amber.")
@click.option("--name", default="", help="A name; the subject of an e-mail, or the file's, where none is given.")
@click.option("--valid-days", type=click.IntRange(1, 3650), default=90, show_default=True)
@release_options
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.pass_obj
def take(
    session: Session,
    file: str | None,
    number: int | None,
    every: bool,
    values: tuple[str, ...],
    tlp: Tlp | None,
    pap: Pap | None,
    name: str,
    valid_days: int,
    agreement: str | None,
    recipients: str | None,
    purpose: str,
    lane: Lane,
) -> None:
    """Make indicators of chosen values in FILE, and a report that refers to them; the file is kept."""
    if every == bool(values):
        raise click.UsageError("give either --all or --value")
    node, at = session.node(), session.now()
    instruction = instruction_of(agreement, nations_of(recipients), purpose, session.actor)
    body, document = _read(session, file, number)
    found = _found(session, document, lane)
    chosen = plainly_new(found) if every else _chosen(values, found)
    terms = IndicatorTerms(
        nation=node.nation,
        lane=lane,
        tlp=Tlp.RED if tlp is None else tlp,
        pap=pap,
        valid_until=at + timedelta(days=valid_days),
        name=name or document.head.get("subject", "") or Path(file or "").name,
        instruction=instruction,
    )
    taken = take_report(node.holdings, body, document, chosen, terms, at)
    if number is not None:
        _inbox(session).close(number, at)
    session.emit(taken.as_json())


@report.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--settings", default=None, help="A JSON file that says what this mailbox may bring in by itself.")
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.pass_obj
def inbox(session: Session, folder: Path, settings: str | None, lane: Lane) -> None:
    """Take each message in FOLDER once, and move it: a Maildir's from `new` to `cur`, an `.eml` to `done`.

    Texts go to the tray, for a person to read. What is attached is stored only where the settings name its door.
    """
    rules = read_settings(read_input(settings, MAX_SETTINGS_BYTES)) if settings else InboxSettings()
    box, taker = Mailbox(folder), _inbox(session)
    terms = ImportTerms(session.node().nation, lane)
    taken = known = 0
    for path, message in islice(box.messages(), MAX_MESSAGES):
        is_new = taker.take(message, path.name, rules, terms, session.now())
        box.done(path)
        taken, known = taken + is_new, known + (not is_new)
    session.emit({"taken": taken, "known": known})


@report.command()
@click.option("--every", is_flag=True, help="Every message that was taken, newest first, with what became of it.")
@click.pass_obj
def tray(session: Session, every: bool) -> None:
    """List the messages whose text waits to be read."""
    with session.node().db.read() as connection:
        items = _inbox(session).tray(connection, every=every)
    rows = [_item(session, each) for each in items]
    show_rows(session, rows, _TRAY, empty=msgid("No message waits to be read."))


@report.command()
@click.argument("number", type=int)
@click.pass_obj
def dismiss(session: Session, number: int) -> None:
    """Take message NUMBER out of the tray without taking anything from it; the message is kept."""
    _inbox(session).close(number, session.now())


def _inbox(session: Session) -> Inbox:
    node = session.node()
    return Inbox(node.holdings, node.warning_lists, keep_event)


def _item(session: Session, item: TrayItem) -> dict[str, Any]:
    parts = [{**each, "reasons": [_reason(session, reason) for reason in each["reasons"]]} for each in item.outcome]
    return {
        "number": item.row,
        "taken": item.taken_at,
        "from": item.sender,
        "subject": item.subject,
        "state": item.state,
        "parts": parts if session.as_json else [" ".join([each["name"], *each["reasons"]]) for each in parts],
    }


def _reason(session: Session, reason: dict[str, Any]) -> str:
    return session.words.reason(Reason.of_json(reason))


def _read(session: Session, file: str | None, number: int | None) -> tuple[bytes, ReadDocument]:
    if (file is None) == (number is None):
        raise click.UsageError("give either FILE or --tray")
    if number is not None:
        with session.node().db.read() as connection:
            body = _inbox(session).message(connection, number)
        document = whole_text(read_document(body, "tray.eml"))
    else:
        body = read_input(file or "-", REPORT_MAX_BYTES)
        document = whole_text(read_document(body, file or ""))
    for name, reason in document.left[:20]:
        session.say("not read: %(name)s %(reason)s", name=printable(name), reason=session.words.reason(reason))
    return body, document


def _found(session: Session, document: ReadDocument, lane: Lane) -> tuple[FoundValue, ...]:
    node = session.node()
    with node.db.read() as connection:
        return look_up(node.holdings, connection, document.text, lane, node.warning_lists)


def _chosen(values: tuple[str, ...], found: tuple[FoundValue, ...]) -> list[Observable]:
    """Return the chosen values, each of which the report must hold."""
    there = {item.value: item.observable for item in found if item.observable is not None}
    chosen = []
    for value in values:
        plain = refang_value(value)
        known = recognise(plain)
        observable = there.get(plain) or (there.get(known.value) if known is not None else None)
        if observable is None:
            raise NotAnObservable("the report holds no such value", subject=value[:120])
        chosen.append(observable)
    return chosen
