"""`mithaq journal`: what happened, in order; shown, or followed as it happens."""

from collections.abc import Iterator, Sequence
from typing import Any

import click
import msgspec

from mithaq.cli.layout import Column, printable, show_rows, word
from mithaq.cli.session import Session
from mithaq.kernel import journal as log
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.journal import Entry
from mithaq.kernel.wake import WakeListener
from mithaq.node.composition import Node
from mithaq.node.language import msgid

_RECOVERY_S = 2.0
_COLUMNS = {
    "seq": Column(msgid("number")),
    "at": Column(msgid("when"), lambda _, at: rfc3339(at)),
    "kind": Column(msgid("what")),
    "subject": Column(msgid("about")),
    "lane": Column(msgid("lane"), word),
    "actor": Column(msgid("who")),
    "detail": Column(msgid("detail"), lambda _, detail: printable(_compact(detail))),
}
_KIND = click.option("--kind", "kinds", multiple=True, help="Only this kind, such as exchange.released; repeatable.")


@click.group()
def journal() -> None:
    """Show what happened, in order."""


@journal.command()
@click.option("--after", type=click.IntRange(0), default=None, help="Oldest first, after this number.")
@click.option("--before", type=click.IntRange(1), default=None, help="The newest before this number.")
@_KIND
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many at most.")
@click.pass_obj
def show(session: Session, after: int | None, before: int | None, kinds: tuple[str, ...], limit: int) -> None:
    """Show entries in the order in which they happened; the newest ones by default."""
    if after is not None and before is not None:
        raise click.UsageError("--after and --before exclude each other")
    wanted = frozenset(kinds) or None
    with session.node().db.read() as connection:
        if after is not None:
            found = log.entries(connection, after, limit=limit, kinds=wanted)
        else:
            found = log.newest(connection, before=before, limit=limit, kinds=wanted)[::-1]
    show_rows(session, [_row(entry) for entry in found], _COLUMNS, empty=msgid("Nothing of that kind happened."))


@journal.command()
@click.option("--after", type=click.IntRange(0), default=None, help="Begin after this number; else with what comes.")
@_KIND
@click.pass_obj
def follow(session: Session, after: int | None, kinds: tuple[str, ...]) -> None:
    """Print entries as they are committed, until Ctrl-C."""
    for batch in _batches(session.node(), after, frozenset(kinds) or None):
        for entry in batch:
            click.echo(_line(session, entry))


def _batches(node: Node, after: int | None, kinds: frozenset[str] | None) -> Iterator[Sequence[Entry]]:
    with WakeListener(node.run_dir, "journal") as listener:
        if after is None:
            with node.db.read() as connection:
                after = log.last_seq(connection)
        while True:
            with node.db.read() as connection:
                batch = log.entries(connection, after)
            if not batch:
                listener.wait(_RECOVERY_S)
                continue
            after = batch[-1].seq
            yield [entry for entry in batch if kinds is None or entry.kind in kinds]


def _line(session: Session, entry: Entry) -> str:
    if session.as_json:
        return msgspec.json.encode(_row(entry) | {"at": rfc3339(entry.at)}).decode()
    told = (rfc3339(entry.at), entry.kind, entry.subject, str(entry.lane), entry.actor, _compact(entry.detail))
    return f"{entry.seq}  " + "  ".join(printable(part) for part in told)


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "at": entry.at,
        "kind": entry.kind,
        "subject": entry.subject,
        "lane": str(entry.lane),
        "actor": entry.actor,
        "detail": entry.detail,
    }


def _compact(detail: dict[str, Any]) -> str:
    return msgspec.json.encode(detail).decode() if detail else ""
