"""`mithaq blocklist`: lists that are safe to use, and why a value is on them or not."""

import sys
from typing import Any

import click

from mithaq.cli.session import EXIT_NOT_FOUND, EXIT_REFUSED, Session
from mithaq.kernel.clock import rfc3339
from mithaq.release.model import Recipient
from mithaq.response.model import BlockEntry, ListFormat, Refusal

_RECIPIENTS = click.Choice(["sensor", "constituent"])


@click.group()
def blocklist() -> None:
    """Build blocklists that are safe to use."""


@blocklist.command()
@click.option("--format", "list_format", type=click.Choice([each.value for each in ListFormat]), required=True)
@click.option("--for", "kind", type=_RECIPIENTS, default="sensor", show_default=True)
@click.option("--name", default="default", show_default=True, help="Which sensor or constituent.")
@click.pass_obj
def build(session: Session, list_format: str, kind: str, name: str) -> None:
    """Write the list for one recipient to standard output; say what is not on it on standard error."""
    blocklists = session.node().blocklists
    at = session.now()
    built = blocklists.build(_recipient(kind, name), at)
    content = blocklists.publish(built, ListFormat(list_format), session.actor, at)
    if session.as_json:
        entries = [_entry(each) for each in built.entries]
        refused = [_refusal(session, each) for each in built.refused]
        session.emit({"list": content.decode(), "entries": entries, "refused": refused})
        return
    sys.stdout.buffer.write(content)
    sys.stdout.flush()
    session.say("%(blocked)d values blocked, %(refused)d refused; ask `mithaq blocklist why VALUE`",
                blocked=len(built.entries), refused=len(built.refused))  # fmt: skip


@blocklist.command()
@click.argument("value")
@click.option("--for", "kind", type=_RECIPIENTS, default="sensor", show_default=True)
@click.option("--name", default="default", show_default=True)
@click.pass_obj
def why(session: Session, value: str, kind: str, name: str) -> int:
    """Say why VALUE is blocked, or every reason why it is not."""
    found = session.node().blocklists.why(value, _recipient(kind, name), session.now())
    if not found:
        session.say("no indicator held here names this value")
        return EXIT_NOT_FOUND
    blocked = [each for each in found if isinstance(each, BlockEntry)]
    rows = [_entry(each) if isinstance(each, BlockEntry) else _refusal(session, each) for each in found]
    session.emit(rows)
    return 0 if blocked else EXIT_REFUSED


@blocklist.group()
def never() -> None:
    """What this nation never blocks, whoever says it is bad."""


@never.command("add")
@click.argument("value")
@click.option("--note", required=True, help="Whose it is, and why it must stay reachable.")
@click.pass_obj
def never_add(session: Session, value: str, note: str) -> None:
    """Never block VALUE, nor anything below or inside it."""
    entry = session.node().blocklists.never_add(value, note, session.actor, session.now())
    session.emit({"value": str(entry.observable), "note": entry.note}, lambda: str(entry.observable))


@never.command("remove")
@click.argument("value")
@click.pass_obj
def never_remove(session: Session, value: str) -> None:
    """Take VALUE off the list."""
    session.node().blocklists.never_remove(value, session.actor, session.now())


@never.command("list")
@click.pass_obj
def never_list(session: Session) -> None:
    """List what is never blocked."""
    rows = [
        {
            "value": str(each.observable),
            "note": each.note,
            "added_by": each.added_by,
            "added_at": rfc3339(each.added_at),
        }
        for each in session.node().blocklists.never_list()
    ]
    session.emit_rows(rows, ("value", "note", "added_by", "added_at"))


def _recipient(kind: str, name: str) -> Recipient:
    return Recipient("constituent" if kind == "constituent" else "sensor", name)


def _entry(entry: BlockEntry) -> dict[str, Any]:
    return {
        "value": str(entry.observable),
        "object": entry.object_id,
        "blocked": True,
        "expires_at": rfc3339(entry.expires_at),
    }


def _refusal(session: Session, refusal: Refusal) -> dict[str, Any]:
    reasons = [
        {
            "code": reason.code,
            "reason": reason.sentence(session.words.gettext),
            "remedy": reason.remedy_sentence(session.words.gettext),
        }
        for reason in refusal.reasons
    ]
    return {
        "value": str(refusal.observable),
        "object": refusal.object_id,
        "blocked": False,
        "reasons": reasons,
    }
