"""`mithaq source`: what this node fetches from the world on a schedule."""

from typing import Any, get_args

import click
import msgspec

from mithaq.agreements.vocabulary import Purpose
from mithaq.cli.files import read_input
from mithaq.cli.layout import Column, labelled, show_rows
from mithaq.cli.options import LANE, PAP, TLP
from mithaq.cli.session import EXIT_FAILED, Session
from mithaq.exchange.sources.credentials import MAX_SECRET_CHARACTERS, Credential
from mithaq.exchange.sources.model import FLAGS, Auth, Followed, Kind, Outcome, Terms
from mithaq.exchange.sources.settings import (
    DEFAULT_EVERY_S,
    MAX_EVERY_S,
    MIN_EVERY_S,
    MOST_PAGE_OBJECTS,
    PAGE_OBJECTS,
    QUARANTINE_ROWS,
)
from mithaq.intelligence.imports.lists.mapping import MAX_MAPPING_BYTES, read_mapping
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.lane import Lane
from mithaq.nations.signer import RemoteSigner
from mithaq.node.language import msgid
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

_LISTED = {
    "name": Column(msgid("name")),
    "kind": Column(msgid("kind")),
    "state": Column(msgid("state")),
    "due": Column(msgid("due")),
    "succeeded": Column(msgid("last success")),
    "stored": Column(msgid("stored")),
    "quarantined": Column(msgid("in quarantine")),
    "reason": Column(msgid("reason")),
}
_ASIDE = {
    "row": Column(msgid("row")),
    "object": Column(msgid("object")),
    "times": Column(msgid("times")),
    "bytes": Column(msgid("bytes")),
    "kept": Column(msgid("kept")),
    "reason": Column(msgid("reason")),
}
_NAME = click.argument("name", metavar="NAME")
_SHOWN = 1000


def _credential_options(command: Any) -> Any:
    """Give a command the options of a credential; the secret itself is never on the command line."""
    for option in (
        click.option("--secret-file", default=None, help="Where the password or token is; `-` is standard input."),
        click.option("--header", default="", help="With --auth header: its name."),
        click.option("--user", default="", help="With --auth basic: the user."),
        click.option(
            "--auth", type=click.Choice(get_args(Auth)), default="none", help="How the source knows this node."
        ),
    ):
        command = option(command)
    return command


@click.group()
def source() -> None:
    """What this node fetches from the world on a schedule."""


@source.command()
@_NAME
@click.argument("address")
@click.option("--kind", type=click.Choice(get_args(Kind)), required=True)
@click.option("--collection", default="", help="TAXII: the collection's id, alias or title.")
@click.option("--every", "every_s", type=click.IntRange(MIN_EVERY_S, MAX_EVERY_S), default=DEFAULT_EVERY_S,
              show_default=True, help="Seconds from one run to the next.")  # fmt: skip
@click.option("--tlp", type=TLP, default=None, help="The least strict label of everything it gives.")
@click.option("--pap", type=PAP, default=None)
@click.option(
    "--label", "labels", multiple=True, help="Kept with its word for each object; may be given several times."
)
@click.option("--purpose", type=click.Choice(get_args(Purpose)), default=None)
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.option("--type", "types", multiple=True, help="TAXII: only objects of this type.")
@click.option("--page-size", type=click.IntRange(1, MOST_PAGE_OBJECTS), default=PAGE_OBJECTS, show_default=True)
@click.option("--mapping", default=None, help="List: a JSON file that says what its columns mean.")
@click.option("--lenient", "flags", multiple=True, type=click.Choice(FLAGS), help="What is let pass of this source.")
@_credential_options
@click.pass_obj
def add(
    session: Session,
    name: str,
    address: str,
    kind: Kind,
    collection: str,
    every_s: int,
    tlp: Tlp | None,
    pap: Pap | None,
    labels: tuple[str, ...],
    purpose: str | None,
    lane: Lane,
    types: tuple[str, ...],
    page_size: int,
    mapping: str | None,
    flags: tuple[str, ...],
    auth: Auth,
    user: str,
    header: str,
    secret_file: str | None,
) -> None:
    """Follow the source NAME at ADDRESS.

    ADDRESS is a TAXII server's discovery, API root or collection, a MISP server, the folder of a MISP feed, or a plain
    list or CSV. Without --tlp an object that has no label of its own is TLP:RED.
    """
    options: dict[str, Any] = {"page_size": page_size} if kind == "taxii" else {}
    if types:
        options["types"] = list(types)
    if mapping is not None:
        read = read_mapping(read_input(mapping, MAX_MAPPING_BYTES))
        options["mapping"] = msgspec.to_builtins(msgspec.structs.replace(read, origin=name))
    made = session.node().sources.add(
        name,
        kind,
        address,
        session.now(),
        every_s=every_s,
        terms=Terms(tlp, pap, labels, purpose, lane),
        collection=collection,
        flags=flags,
        options=options,
        credential=_credential(auth, user, header, secret_file),
        by=session.actor,
    )
    session.emit(_row(session, Followed(made, session.node().sources.get(name).progress)), lambda: made.id)


@source.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """List the sources, how each is doing, and when it is due."""
    rows = [_row(session, each) for each in session.node().sources.all()]
    show_rows(session, rows, _LISTED, empty=msgid("Nothing is fetched from the world."))


@source.command()
@_NAME
@click.pass_obj
def show(session: Session, name: str) -> None:
    """Show everything about NAME but its credential."""
    row = _row(session, session.node().sources.get(name)) | _details(session.node().sources.get(name))
    session.emit(row, lambda: labelled([(key, _text(value)) for key, value in row.items()]))


@source.command()
@_NAME
@click.pass_context
def fetch(ctx: click.Context, name: str) -> None:
    """Fetch NAME now: by the running node, else by this command."""
    session: Session = ctx.obj
    node = session.node()
    asked = node.sources.ask(name, session.now(), by=session.actor)
    if RemoteSigner(node.run_dir).is_reachable():
        session.emit({"name": name, "state": "asked"}, lambda: session.words.gettext("the running node fetches it now"))
        return
    from mithaq.exchange.sources.worker import run_one

    outcome = run_one(node.fetching, asked, node.run_dir)
    if outcome is None:
        session.emit({"name": name, "state": "busy"}, lambda: session.words.gettext("another process fetches it now"))
        return
    session.emit(_outcome(session, outcome), lambda: _said(session, outcome))
    if outcome.reason is not None:
        ctx.exit(EXIT_FAILED)


@source.command()
@_NAME
@click.pass_obj
def pause(session: Session, name: str) -> None:
    """Fetch NAME no more until it is resumed."""
    session.node().sources.pause(name, session.now(), by=session.actor)
    session.emit({"name": name, "state": "paused"}, lambda: name)


@source.command()
@_NAME
@click.option("--anew", is_flag=True, help="Forget how far it has been read, and fetch everything again.")
@_credential_options
@click.pass_obj
def resume(
    session: Session, name: str, anew: bool, auth: Auth, user: str, header: str, secret_file: str | None
) -> None:
    """Fetch NAME again, from where it was left; with another credential where one is given."""
    sources = session.node().sources
    if anew:
        sources.restart(name, session.now(), by=session.actor)
    credential = _credential(auth, user, header, secret_file)
    sources.resume(name, session.now(), credential=credential, by=session.actor)
    session.emit({"name": name, "state": "active"}, lambda: name)


@source.command()
@_NAME
@click.pass_obj
def remove(session: Session, name: str) -> None:
    """Follow NAME no more; what it gave stays, its credential and its quarantine go."""
    session.node().sources.remove(name, session.now(), by=session.actor)
    session.emit({"name": name, "state": "removed"}, lambda: name)


@source.command()
@_NAME
@click.argument("rows", nargs=-1, type=int, metavar="[ROW]...")
@click.option("--retry", "action", flag_value="retry", help="Try to admit what was put aside.")
@click.option("--discard", "action", flag_value="discard", help="Throw it away.")
@click.option("--after", type=int, default=0, help="Begin after this row.")
@click.option("--limit", type=click.IntRange(1, QUARANTINE_ROWS), help="At most so many.  [default: 1000 are shown]")
@click.pass_obj
def quarantine(
    session: Session, name: str, rows: tuple[int, ...], action: str | None, after: int, limit: int | None
) -> None:
    """Show what of NAME could not be admitted, and why; try it again or throw it away, all of it or only some ROWs."""
    node = session.node()
    most = _SHOWN if action is None and not rows else QUARANTINE_ROWS
    waiting = node.sources.quarantine(name, after=after, limit=limit or most)
    chosen = [each for each in waiting if not rows or each.row in rows]
    if action == "retry":
        outcome = node.retrying.retry(node.sources.get(name).source, chosen, session.now())
        session.emit(_outcome(session, outcome), lambda: _said(session, outcome))
        return
    if action == "discard":
        gone = node.sources.discard(name, [each.row for each in chosen], session.now(), by=session.actor)
        session.emit({"name": name, "discarded": gone}, lambda: str(gone))
        return
    shown = [
        {
            "row": each.row,
            "object": each.object_id,
            "kind": each.kind,
            "bytes": each.size,
            "kept": each.is_kept,
            "times": each.times,
            "first": rfc3339(each.first_at),
            "last": rfc3339(each.last_at),
            "code": each.reason.code,
            "reason": session.words.reason(each.reason),
        }
        for each in chosen
    ]
    show_rows(session, shown, _ASIDE, empty=msgid("Nothing is in its quarantine."))


def _credential(auth: Auth, user: str, header: str, secret_file: str | None) -> Credential | None:
    """Read a credential.

    Raises:
        click.UsageError: an option is missing, or there is one too many.
    """
    if auth == "none":
        if user or header or secret_file:
            raise click.UsageError("--user, --header and --secret-file need --auth")
        return None
    if secret_file is None:
        raise click.UsageError("--auth needs --secret-file: secrets are not written on the command line")
    secret = read_input(secret_file, 4 * MAX_SECRET_CHARACTERS).decode("utf-8", "replace").strip()
    return Credential(auth, secret, user, header)


def _row(session: Session, each: Followed) -> dict[str, Any]:
    progress = each.progress
    return {
        "name": each.source.name,
        "kind": each.source.kind,
        "state": progress.standing,
        "due": rfc3339(progress.due_at) if progress.standing == "active" else None,
        "succeeded": rfc3339(progress.succeeded_at) if progress.succeeded_at else None,
        "stored": progress.stored,
        "quarantined": each.quarantined,
        "failures": progress.failures,
        "reason": session.words.reason(progress.reason) if progress.reason else None,
        "id": each.source.id,
    }


def _details(each: Followed) -> dict[str, Any]:
    made, progress = each.source, each.progress
    return {
        "address": made.address.partition("?")[0],
        "collection": made.collection or None,
        "every": made.every_s,
        "tlp": made.terms.tlp.label if made.terms.tlp is not None else None,
        "pap": made.terms.pap.label if made.terms.pap is not None else None,
        "labels": list(made.terms.labels),
        "purpose": made.terms.purpose,
        "lane": str(made.terms.lane),
        "lenient": sorted(made.flags),
        "auth": made.auth,
        "tried": rfc3339(progress.tried_at) if progress.tried_at else None,
        "unkept": progress.unkept,
        "unlisted": progress.unlisted,
        "from": made.giver,
    }


def _outcome(session: Session, outcome: Outcome) -> dict[str, Any]:
    return {
        "stored": outcome.stored,
        "known": outcome.known,
        "quarantined": outcome.quarantined,
        "withdrawn": outcome.withdrawn,
        "requests": outcome.requests,
        "cut": outcome.is_cut,
        "code": outcome.reason.code if outcome.reason else None,
        "reason": session.words.reason(outcome.reason) if outcome.reason else None,
    }


def _said(session: Session, outcome: Outcome) -> str:
    if outcome.reason is not None:
        session.say("it failed: %(reason)s", reason=session.words.reason(outcome.reason))
    return session.words.gettext(
        "%(stored)s stored, %(known)s known already, %(quarantined)s put aside, %(withdrawn)s taken back",
        stored=outcome.stored,
        known=outcome.known,
        quarantined=outcome.quarantined,
        withdrawn=outcome.withdrawn,
    )


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
