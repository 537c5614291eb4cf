"""What constituents read with MISP: their feeds as files, what does not go out and why, and an object as an event."""

from pathlib import Path

import click

from mithaq.cli.files import unusable
from mithaq.cli.layout import Column, show_rows
from mithaq.cli.options import LANE
from mithaq.cli.session import EXIT_NOT_FOUND, EXIT_REFUSED, Session
from mithaq.kernel.lane import Lane
from mithaq.node.language import msgid

_REFUSED = {
    "event": Column(msgid("event")),
    "info": Column(msgid("title")),
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
    """List the imported MISP events that do not go to a constituent, and why: for people here and nobody else."""
    node = session.node()
    with node.db.read() as connection:
        node.constituents.get(connection, constituent)
    found = node.misp.refusals(constituent, session.now())
    rows = [
        {
            "event": each.event.uuid,
            "info": each.event.head.get("info", ""),
            "why": [session.words.reason(reason) for reason in each.reasons],
        }
        for each in found
    ]
    show_rows(session, rows, _REFUSED, empty=msgid("Every imported MISP event goes to this constituent."))


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
