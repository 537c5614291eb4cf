"""`mithaq partner export-archive` and `import-archive`: the channel for nations without a link."""

from __future__ import annotations

from typing import Any

import click

from mithaq.cli.files import read_input, write_output
from mithaq.cli.session import EXIT_FAILED, Session
from mithaq.exchange.archive.exporting import Exporting
from mithaq.exchange.archive.importing import Imported, Importing
from mithaq.exchange.archive.settings import MAX_ARCHIVE_BYTES
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId


@click.command("export-archive")
@click.argument("nation")
@click.option("--to", "file", required=True, type=click.Path(dir_okay=False, allow_dash=True))
@click.pass_obj
def export_archive(session: Session, nation: str, file: str) -> None:
    """Write what is due to NATION into a file that somebody carries: releases, receipts, letters, this nation's card.

    Releases are judged, numbered, logged, signed and sealed as on the channel. Whatever NATION has not confirmed by an
    archive of its own is in it again, so that a lost one costs nothing. The running node plans what is to be released.
    """
    node = session.node()
    data, done = Exporting(node.channel, node.card_bytes).archive(NationId(nation.upper()), session.now())
    write_output(file, data)
    value = {
        "nation": done.nation,
        "first": done.after + 1 if done.releases else None,
        "last": done.last if done.releases else None,
        "releases": done.releases,
        "proofs": done.proofs,
        "receipts": done.receipts,
        "letters": done.letters,
        "attestations": done.attestations,
        "more": done.more,
        "seal_was_due": rfc3339(done.seal_was_due) if done.seal_was_due else None,
        "bytes": len(data),
    }
    if file != "-":
        session.emit(value)
    if done.seal_was_due is not None:
        session.say(
            "The sealing key on the card of %(nation)s gave way to another on %(date)s: ask for a newer card, or the "
            "file may not open there.",
            nation=done.nation,
            date=rfc3339(done.seal_was_due),
        )
    if done.more:
        session.say("Something waits still: for witnesses, or for room in the next archive.")


@click.command("import-archive")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.pass_context
def import_archive(ctx: click.Context, file: str) -> None:
    """Take the archive in FILE (`-`: standard input): whole as its sender signed it, or not at all.

    Every release passes what it would pass on the channel. The receipts go back in the next archive to its sender.
    """
    session: Session = ctx.obj
    done = Importing(session.node().channel).take(read_input(file, MAX_ARCHIVE_BYTES), session.now())
    session.emit(_value(session, done))
    if done.again is not None:
        session.say("This archive was imported before, at %(at)s.", at=rfc3339(done.again))
    if done.is_old:
        session.say("A newer archive was imported already: what this one confirms is passed over.")
    if done.stopped is not None:
        reason = session.words.reason(done.stopped)
        session.say("The rest of the releases was not taken: %(reason)s", reason=reason)
        ctx.exit(EXIT_FAILED)


def _value(session: Session, done: Imported) -> dict[str, Any]:
    return {
        "nation": done.nation,
        "made": rfc3339(done.at),
        "again": rfc3339(done.again) if done.again else None,
        "old": done.is_old,
        "releases": [{"sequence": number, "outcome": outcome} for number, outcome in done.outcomes],
        "stopped": session.words.reason(done.stopped) if done.stopped else None,
        "proofs": done.proofs,
        "receipts": done.receipts,
        "letters": done.letters,
        "attestations": done.attestations,
        "refused": [{"what": what, "reason": session.words.reason(reason)} for what, reason in done.refused],
    }
