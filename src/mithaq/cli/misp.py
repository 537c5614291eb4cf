"""What constituents read with MISP: their feeds as files, what does not go out and why, and an object as an event."""

from pathlib import Path

import click

from mithaq.cli.files import read_input, unusable
from mithaq.cli.layout import Column, show_rows
from mithaq.cli.options import LANE
from mithaq.cli.session import EXIT_FAILED, EXIT_NOT_FOUND, EXIT_REFUSED, Session
from mithaq.exchange.sources.credentials import MAX_SECRET_CHARACTERS
from mithaq.exchange.sources.model import CREDENTIAL_OVER_HTTP, PRIVATE_NETWORK
from mithaq.exchange.sources.rules import shown
from mithaq.kernel.lane import Lane
from mithaq.node.language import msgid

_REFUSED = {
    "event": Column(msgid("event")),
    "info": Column(msgid("title")),
    "from": Column(msgid("from")),
    "why": Column(msgid("why not")),
}
_TARGETS = {
    "constituent": Column(msgid("constituent")),
    "address": Column(msgid("address")),
    "lenient": Column(msgid("lenient")),
}
_PUSHED = {
    "event": Column(msgid("event")),
    "state": Column(msgid("state")),
    "why": Column(msgid("why not")),
}


@click.group()
def misp() -> None:
    """What constituents read with MISP."""


@misp.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--constituent", required=True, metavar="ID", help="Whose feed it is.")
@click.pass_obj
def feed(session: Session, folder: Path, constituent: str) -> None:
    """Write the MISP feed of a constituent into FOLDER, for a web server or a carrier.

    Everything is judged now. Events that an earlier feed in FOLDER named and that go out no more are taken away.
    """
    from mithaq.exchange.misp.files import write_feed

    node = session.node()
    with node.db.read() as connection:
        node.constituents.get(connection, constituent)
    try:
        written = write_feed(node.misp, constituent, folder, session.now())
    except OSError as error:
        raise unusable(str(folder), error) from error
    session.emit(
        {"events": written.events, "removed": written.removed, "folder": str(folder)},
        lambda: session.words.gettext(
            "%(events)s events written, %(removed)s taken away", events=written.events, removed=written.removed
        ),
    )


@misp.command()
@click.option("--constituent", required=True, metavar="ID", help="To whom they do not go.")
@click.pass_obj
def refused(session: Session, constituent: str) -> None:
    """List the MISP events, imported or fetched, that do not go to a constituent, and why: for people here alone."""
    node = session.node()
    with node.db.read() as connection:
        node.constituents.get(connection, constituent)
    found = node.misp.refusals(constituent, session.now())
    rows = [
        {
            "event": each.event.uuid,
            "info": each.event.head.get("info", ""),
            "from": each.event.nation,
            "why": [session.words.reason(reason) for reason in each.reasons],
        }
        for each in found
    ]
    show_rows(
        session, rows, _REFUSED, empty=msgid("Every MISP event that was imported or fetched goes to this constituent.")
    )


@misp.group()
def target() -> None:
    """To which constituents' own MISP events are pushed."""


@target.command("add")
@click.argument("constituent", metavar="CONSTITUENT")
@click.argument("address")
@click.option("--secret-file", required=True, help="Where the key of a sync user there is; `-` is standard input.")
@click.option("--lenient", "flags", multiple=True, type=click.Choice([PRIVATE_NETWORK, CREDENTIAL_OVER_HTTP]),
              help="What is let pass of this server.")  # fmt: skip
@click.pass_obj
def add_target(session: Session, constituent: str, address: str, secret_file: str, flags: tuple[str, ...]) -> None:
    """Let events be pushed to the MISP of CONSTITUENT at ADDRESS; an earlier one is replaced."""
    secret = read_input(secret_file, 4 * MAX_SECRET_CHARACTERS).decode("utf-8", "replace").strip()
    made = session.node().push_targets.add(constituent, address, secret, session.now(), flags=flags, by=session.actor)
    session.emit({"constituent": made.constituent, "address": made.address}, lambda: made.constituent)


@target.command("list")
@click.pass_obj
def list_targets(session: Session) -> None:
    """List where events are pushed to."""
    rows = [
        {"constituent": each.constituent, "address": shown(each.address), "lenient": sorted(each.flags)}
        for each in session.node().push_targets.all()
    ]
    show_rows(session, rows, _TARGETS, empty=msgid("Nothing is pushed to any MISP."))


@target.command("remove")
@click.argument("constituent", metavar="CONSTITUENT")
@click.pass_obj
def remove_target(session: Session, constituent: str) -> None:
    """Push to the MISP of CONSTITUENT no more; the key is deleted, what went there stays."""
    session.node().push_targets.remove(constituent, session.now(), by=session.actor)
    session.emit({"constituent": constituent, "state": "removed"}, lambda: constituent)


@misp.command()
@click.option("--to", "constituent", required=True, metavar="CONSTITUENT", help="To whose MISP.")
@click.option("--dry-run", is_flag=True, help="Ask the server what it wants, and send nothing.")
@click.pass_context
def push(ctx: click.Context, constituent: str, *, dry_run: bool) -> None:
    """Push what is released to a constituent into its own MISP, each event judged before it leaves.

    What is there already is not sent again. Events that went earlier and are released no more are named while they are
    still there: MISP takes no deletion from another server.
    """
    session: Session = ctx.obj
    done = session.node().pushing.push(constituent, dry_run=dry_run, by=session.actor)
    rows = [
        {
            "event": each.uuid,
            "state": each.outcome,
            "why": session.words.reason(each.reason) if each.reason else None,
            "code": each.reason.code if each.reason else None,
        }
        for each in done.events
    ]
    rows += [{"event": uuid, "state": "left", "why": None, "code": None} for uuid in done.left]
    show_rows(session, rows, _PUSHED, empty=msgid("There is nothing that it wants."))
    for uuid in done.left:
        session.say("released no more, and still there: %(event)s", event=uuid)
    if done.sighted.count:
        session.say("sightings that went: %(count)s", count=done.sighted.count)
    if done.sighted.reason is not None:
        session.say("no more sightings went: %(reason)s", reason=session.words.reason(done.sighted.reason))
    if done.reason is not None:
        session.say("it ended early: %(reason)s", reason=session.words.reason(done.reason))
    if done.reason is not None or done.count("failed"):
        ctx.exit(EXIT_FAILED)


@click.command("misp")
@click.argument("object_id")
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.pass_context
def object_misp(ctx: click.Context, object_id: str, lane: Lane) -> None:
    """Print an object as a MISP event, what is lost of it and why, and what stands against it."""
    from mithaq.exchange.misp.preview import preview

    session: Session = ctx.obj
    node = session.node()
    with node.db.read() as connection:
        versions = node.holdings.get(connection, object_id, lane)
        if not versions:
            session.say("%(object)s is not held in the lane %(lane)s", object=object_id, lane=str(lane))
            ctx.exit(EXIT_NOT_FOUND)
        newest = next((each for each in versions if each.stands), versions[0])
        shown = preview(connection, node.holdings, node.misp.organisation, newest)
    session.emit(
        {
            "event": shown.event,
            "lost": [
                {"object": loss.object_id, "code": loss.reason.code, "why": session.words.reason(loss.reason)}
                for loss in shown.lost
            ],
            "against": [{"code": each.code, "why": session.words.reason(each)} for each in shown.against],
        }
    )
    if shown.event is None or shown.against:
        ctx.exit(EXIT_REFUSED)
