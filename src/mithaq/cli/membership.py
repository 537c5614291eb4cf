"""`mithaq audit membership`: this nation's membership log of an agreement, held against those of the other parties."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mithaq.cli.layout import Column, show_rows, word
from mithaq.cli.session import EXIT_FAILED, EXIT_UNREACHABLE, Session
from mithaq.node.language import msgid

if TYPE_CHECKING:
    from mithaq.exchange.membership.model import Compared
    from mithaq.exchange.membership.shown import Source
    from mithaq.nations.model import Partner
    from mithaq.node.composition import Node

_SHOWN = 16
_NOTHING = ("", "", None)
_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)


def _short(session: Session, value: str) -> str:
    """Return hashes by their first digits; what is no hash as it is."""
    del session
    return " ".join(each[:_SHOWN] if len(each) == 2 * 32 else each for each in value.split()) or "-"


_COLUMNS = {
    "difference": Column(msgid("difference"), lambda session, value: word(session, f"difference-{value}")),
    "partner": Column(msgid("partner")),
    "about": Column(msgid("about"), lambda session, value: word(session, f"about-{value}" if value else None)),
    "nation": Column(msgid("nation")),
    "number": Column(msgid("number")),
    "here": Column(msgid("here"), _short),
    "there": Column(msgid("there"), _short),
}


@click.command()
@click.argument("agreement_id", metavar="AGREEMENT")
@click.argument("folders", metavar="[DIR]...", nargs=-1, type=_FOLDER)
@click.pass_obj
def membership(session: Session, agreement_id: str, folders: Sequence[Path]) -> None:
    """Compare who accepted which versions, statements and keys under AGREEMENT with the other parties' logs.

    The logs are fetched from the partners' nodes, or read from the folders that they have exported.
    """
    from mithaq.cli.agreement.find import resolve
    from mithaq.exchange.membership.service import Membership

    node = session.node()
    agreement_id = resolve(node, agreement_id).document.id
    Membership(node.channel).follow(session.now())
    compared = _from_folders(session, node, agreement_id, folders) if folders else _fetched(session, node, agreement_id)
    rows = [row for each in compared for row in _rows(session, each)]
    show_rows(session, rows, _COLUMNS, empty=msgid("All logs say the same."))
    for each in compared:
        if each.trouble is None:
            session.say("%(nation)s: %(count)s leaves compared.", nation=each.nation, count=each.size)
    if any(each.evidence for each in compared):
        session.say("Both proven entries of each contradiction are kept here, and part of the output with --json.")
    if any(each.trouble is None and not each.agrees for each in compared):
        raise click.exceptions.Exit(EXIT_FAILED)
    if any(each.trouble for each in compared):
        raise click.exceptions.Exit(EXIT_UNREACHABLE)


def _fetched(session: Session, node: "Node", agreement_id: str) -> "Sequence[Compared]":
    from mithaq.exchange.channel.membership import ChannelSource
    from mithaq.exchange.membership.comparing import Comparing

    with ExitStack() as stack:

        def source(partner: "Partner") -> "Source":
            opened = ChannelSource(node.channel, node.clock, partner, agreement_id)
            stack.callback(opened.close)
            return opened

        return Comparing(node.channel).with_all(agreement_id, source, session.now())


def _from_folders(session: Session, node: "Node", agreement_id: str, folders: Sequence[Path]) -> "Sequence[Compared]":
    from mithaq.exchange.audit.folder import AuditFolder
    from mithaq.exchange.membership.comparing import Comparing
    from mithaq.exchange.membership.shown import FolderSource
    from mithaq.nations.names import parse_origin

    comparing, compared = Comparing(node.channel), []
    for folder in map(AuditFolder, folders):
        nation = parse_origin(folder.checkpoint()[0].origin).nation
        compared.append(comparing.with_partner(agreement_id, nation, FolderSource(folder), session.now()))
    return compared


def _rows(session: Session, compared: "Compared") -> Iterator[dict[str, Any]]:
    def row(difference: str, here: str, there: str, about: tuple[str, str, int | None] = _NOTHING) -> dict[str, Any]:
        kind, nation, number = about
        return {
            "difference": difference,
            "partner": compared.nation,
            "about": kind or None,
            "nation": nation or None,
            "number": number,
            "here": here,
            "there": there,
        }

    if compared.trouble is not None:
        yield row("not-read", "", session.words.error(compared.trouble))
    for finding in compared.findings:
        yield row(finding.kind, str(finding.seen), str(finding.shown))
    evidence = iter(compared.evidence)
    for each in compared.differences:
        found = row(each.kind, each.here, each.there, each.about)
        if each.is_contradiction:
            here, there = next(evidence)
            found["evidence"] = {"here": here.encode().decode(), "there": there.encode().decode()}
        yield found
