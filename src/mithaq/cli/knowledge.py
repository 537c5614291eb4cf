"""`mithaq knowledge`: load ATT&CK, and look up what it says."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import click

from mithaq.cli.files import unusable
from mithaq.cli.layout import Column, show_rows
from mithaq.cli.options import LANE
from mithaq.cli.session import EXIT_FAILED, EXIT_NOT_FOUND, Session
from mithaq.cli.viewing import entries_text
from mithaq.intelligence.knowledge import MITRE, entry_as_json, load, loaded, named
from mithaq.kernel.lane import Lane
from mithaq.node.language import msgid

_LISTED = {
    "name": Column(msgid("name")),
    "version": Column(msgid("version")),
    "publisher": Column(msgid("publisher")),
    "stored": Column(msgid("stored")),
    "known": Column(msgid("known already")),
    "refused": Column(msgid("refused")),
    "loaded": Column(msgid("loaded")),
}


@click.group()
def knowledge() -> None:
    """Load what is published for everybody, such as ATT&CK, and look it up."""


@knowledge.command("load")
@click.argument("file", type=click.Path(dir_okay=False, exists=True))
@click.option("--publisher", default=MITRE, show_default=True, help="Whose word it is.")
@click.option("--version", default="", help="Its version, where the bundle does not say.")
@click.pass_context
def load_(ctx: click.Context, file: str, publisher: str, version: str) -> None:
    """Load a STIX bundle (.json or .json.gz) under its publisher's word; it is released to nobody.

    A newer bundle supersedes the one before object by object; what was revoked or deprecated is still found.
    """
    session: Session = ctx.obj
    node = session.node()
    try:
        with gzip.open(file) if file.endswith(".gz") else Path(file).open("rb") as source:
            found, report = load(node.holdings, source, publisher=publisher, version=version, at=session.now())
    except OSError as error:
        raise unusable(file, error) from error
    except (EOFError, zlib.error) as error:
        raise unusable(file, OSError(str(error))) from error
    for name, reason in report.refused[:20]:
        session.say("refused %(object)s: %(reason)s", object=name, reason=session.words.reason(reason))
    if report.broken:
        session.say("the rest could not be read: %(reason)s", reason=session.words.reason(report.broken))
    session.emit(found.as_json(), lambda: _told(session, found.as_json()))
    if report.broken or (report.refused_count and not report.stored + report.duplicates):
        ctx.exit(EXIT_FAILED)


@knowledge.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """List what is loaded, with its version."""
    with session.node().db.read() as connection:
        found = loaded(connection)
    empty = msgid("Nothing is loaded. Give: mithaq knowledge load FILE")
    show_rows(session, [each.as_json() for each in found], _LISTED, empty=empty)


@knowledge.command()
@click.argument("name")
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.pass_context
def show(ctx: click.Context, name: str, lane: Lane) -> None:
    """Show what has the ATT&CK id or the name NAME (T1059.001, PowerShell), and what here refers to it."""
    session: Session = ctx.obj
    with session.node().db.read() as connection:
        found = named(connection, name, lane)
    if not found:
        session.say("nothing that is loaded has the id or the name %(name)s", name=name)
        ctx.exit(EXIT_NOT_FOUND)
    session.emit([entry_as_json(each) for each in found], lambda: entries_text(session, found))


def _told(session: Session, found: dict[str, Any]) -> str:
    return session.words.gettext(
        "%(name)s %(version)s: %(stored)s stored, %(known)s known already, %(refused)s refused",
        name=found["name"],
        version=found["version"] or "",
        stored=found["stored"],
        known=found["known"],
        refused=found["refused"],
    )
