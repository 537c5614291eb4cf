"""Collections that constituents read over TAXII, and their audience."""

from collections.abc import Sequence
from typing import get_args

import click

from mithaq.agreements.vocabulary import PermittedAction, Purpose
from mithaq.cli.layout import reason_lines, reasons_json
from mithaq.cli.options import TLP
from mithaq.cli.session import EXIT_NOT_FOUND, EXIT_REFUSED, Session
from mithaq.exchange.taxii.model import Collection
from mithaq.exchange.taxii.why import Why
from mithaq.exchange.taxii.why import why as judged
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.database import EPOCH
from mithaq.kernel.lane import ACTUAL
from mithaq.node.language import msgid
from mithaq.release.model import PERMITTED_ACTIONS
from mithaq.standards.tlp import Tlp

_COLUMNS = (
    msgid("alias"),
    msgid("title"),
    msgid("may"),
    msgid("carries"),
    msgid("action"),
    msgid("state"),
    msgid("id"),
)
_AUDIENCE = (msgid("constituent"), msgid("last added"), msgid("state"))


@click.group()
def collection() -> None:
    """What constituents read over TAXII, and who of them."""


@collection.command()
@click.argument("alias")
@click.option("--title", required=True, help="How clients list it.")
@click.option("--description", default="", help="What it holds, for whom.")
@click.option("--for", "audience", multiple=True, metavar="CONSTITUENT", help="Who sees it; several times for several.")
@click.option("--purpose", type=click.Choice(get_args(Purpose)), default="defence", show_default=True)
@click.option(
    "--action",
    type=click.Choice(get_args(PermittedAction)),
    default="internally-visible-actions",
    show_default=True,
    help="What its readers do with an object at most (IEP 2.0).",
)
@click.option("--type", "types", multiple=True, help="A STIX type that it carries; all by default.")
@click.option("--label", "labels", multiple=True, help="A label of which an object needs one; none by default.")
@click.option("--no-read", is_flag=True, help="It is only posted into.")
@click.option("--write", "can_write", is_flag=True, help="Accounts that may write post into it.")
@click.option("--floor", type=TLP, default="TLP:AMBER", show_default=True, help="The least strict label of a post.")
@click.pass_obj
def add(
    session: Session,
    alias: str,
    title: str,
    description: str,
    audience: tuple[str, ...],
    purpose: str,
    action: str,
    types: tuple[str, ...],
    labels: tuple[str, ...],
    no_read: bool,
    can_write: bool,
    floor: Tlp,
) -> None:
    """Make the collection ALIAS; without an audience nobody sees it."""
    made = session.node().collections.add(
        alias,
        title,
        session.now(),
        description=description,
        audience=audience,
        purpose=purpose,
        action=action,
        types=types,
        labels=labels,
        can_read=not no_read,
        can_write=can_write,
        floor=floor,
        by=session.actor,
    )
    session.emit(_row(made), lambda: made.id)


@collection.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """List the collections."""
    session.emit_rows((_row(each) for each in session.node().collections.all()), _COLUMNS)


@collection.command()
@click.argument("alias")
@click.pass_obj
def show(session: Session, alias: str) -> None:
    """Show who sees ALIAS, and when each was last given something."""
    session.emit_rows(
        (
            {
                "constituent": shelf.constituent,
                "last added": rfc3339(shelf.last_added) if shelf.last_added > EPOCH else None,
                "state": "filled" if shelf.filled_to >= shelf.fill_to else "being-filled",
            }
            for shelf in session.node().collections.audience(alias)
        ),
        _AUDIENCE,
    )


@collection.command()
@click.argument("alias")
@click.argument("constituent_id", metavar="CONSTITUENT")
@click.pass_obj
def allow(session: Session, alias: str, constituent_id: str) -> None:
    """Let CONSTITUENT see ALIAS; what is held already is judged for it."""
    session.node().collections.allow(alias, constituent_id, session.now(), by=session.actor)
    session.emit({"alias": alias, "constituent": constituent_id, "state": "allowed"}, lambda: constituent_id)


@collection.command()
@click.argument("alias")
@click.argument("constituent_id", metavar="CONSTITUENT")
@click.pass_obj
def exclude(session: Session, alias: str, constituent_id: str) -> None:
    """Let CONSTITUENT see ALIAS no more."""
    session.node().collections.exclude(alias, constituent_id, session.now(), by=session.actor)
    session.emit({"alias": alias, "constituent": constituent_id, "state": "excluded"}, lambda: constituent_id)


@collection.command()
@click.argument("alias")
@click.argument("object_id", metavar="OBJECT")
@click.pass_context
def why(ctx: click.Context, alias: str, object_id: str) -> None:
    """Say who of those who see ALIAS reads OBJECT in it, and who does not: every reason, what would mend it.

    Ends with 4 where nobody reads it.
    """
    session: Session = ctx.obj
    node = session.node()
    with node.db.read() as connection:
        asked = node.collections.get(connection, alias)
        found = judged(connection, node.nation, asked, object_id, session.now())
        is_held = bool(node.holdings.get(connection, object_id, ACTUAL))
    if not is_held:
        session.say("%(object)s is not held in the lane %(lane)s", object=object_id, lane=str(ACTUAL))
        ctx.exit(EXIT_NOT_FOUND)
    told = [{"constituent": each.constituent, "reasons": reasons_json(session, each.reasons)} for each in found]
    value = {"collection": asked.alias, "object": object_id, "constituents": told}
    session.emit(value, lambda: _why_text(session, found))
    if all(each.reasons for each in found):
        ctx.exit(EXIT_REFUSED)


@collection.command()
@click.argument("alias")
@click.pass_obj
def close(session: Session, alias: str) -> None:
    """Close ALIAS for good."""
    session.node().collections.close(alias, session.now(), by=session.actor)
    session.emit({"alias": alias, "state": "closed"}, lambda: alias)


def _why_text(session: Session, found: Sequence[Why]) -> str:
    words, lines = session.words.gettext, []
    for each in found:
        if each.reasons:
            lines.append(words("%(constituent)s does not read it:", constituent=each.constituent))
            lines += reason_lines(session, each.reasons, "  ")
        else:
            lines.append(words("%(constituent)s reads it.", constituent=each.constituent))
    return "\n".join(lines) or words("Nobody sees this collection.")


def _row(value: Collection) -> dict[str, object]:
    may = [word for word, is_so in (("read", value.can_read), ("write", value.can_write)) if is_so]
    return {
        "alias": value.alias,
        "title": value.title,
        "may": ", ".join(may),
        "carries": sorted({*value.types, *value.labels}) or "all",
        "action": PERMITTED_ACTIONS[value.action],
        "state": "closed" if value.closed_at else "open",
        "id": value.id,
    }
