"""`mithaq report`: read a report in whatever it is written, and take what was found in it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from mithaq.cli.files import read_input
from mithaq.cli.options import LANE, PAP, TLP, instruction_of, nations_of
from mithaq.cli.session import Session
from mithaq.intelligence.errors import NotAnObservable
from mithaq.intelligence.imports.documents import ReadDocument, read_document, whole_text
from mithaq.intelligence.imports.reports import plainly_new, take_report
from mithaq.intelligence.imports.text import FoundValue, IndicatorTerms, look_up
from mithaq.intelligence.settings import REPORT_MAX_BYTES
from mithaq.kernel.lane import Lane
from mithaq.standards.defang import refang_value
from mithaq.standards.observable import Observable, recognise
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

_FOUND = ("type", "value", "known", "warned")


@click.group()
def report() -> None:
    """Read reports: texts, PDFs and e-mails."""


@report.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.pass_obj
def read(session: Session, file: str, lane: Lane) -> None:
    """Show the values in FILE (a text, a PDF, an `.eml`), and what is known of them; nothing is stored."""
    _, document = _read(session, file)
    session.emit_rows([item.as_json() for item in _found(session, document, lane)], _FOUND)


@report.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--all", "every", is_flag=True, help="Every value that is on no warning list and known from nobody.")
@click.option("--value", "values", multiple=True, help="This value of the report, defanged or not; again for more.")
@click.option("--tlp", type=TLP, default=None, help="The label; TLP:RED where none is given.")
@click.option("--pap", type=PAP, default=None, help="What recipients may do with it, for instance amber.")
@click.option("--name", default="", help="A name; the subject of an e-mail, or the file's, where none is given.")
@click.option("--valid-days", type=click.IntRange(1, 3650), default=90, show_default=True)
@click.option("--agreement", default=None, help="Release report and indicators under this agreement.")
@click.option("--to", "recipients", default=None, help="Only to these parties, for instance XB,XC.")
@click.option("--purpose", default="defence", show_default=True)
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.pass_obj
def take(
    session: Session,
    file: str,
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
    body, document = _read(session, file)
    found = _found(session, document, lane)
    chosen = plainly_new(found) if every else _chosen(values, found)
    terms = IndicatorTerms(
        nation=node.nation,
        lane=lane,
        tlp=Tlp.RED if tlp is None else tlp,
        pap=pap,
        valid_until=at + timedelta(days=valid_days),
        name=name or document.head.get("subject", "") or Path(file).name,
        instruction=instruction,
    )
    taken = take_report(node.holdings, body, document, chosen, terms, at)
    session.emit(taken.as_json())


def _read(session: Session, file: str) -> tuple[bytes, ReadDocument]:
    body = read_input(file, REPORT_MAX_BYTES)
    document = whole_text(read_document(body, file))
    for name, reason in document.left[:20]:
        session.say("not read: %(name)s %(reason)s", name=name, reason=session.words.reason(reason))
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
