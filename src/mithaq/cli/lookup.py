"""`mithaq object lookup`: what is known of many values at once."""

from __future__ import annotations

from typing import Any

import click

from mithaq.cli.files import read_input
from mithaq.cli.options import LANE
from mithaq.cli.session import Session
from mithaq.intelligence.lookup import LookedUp
from mithaq.intelligence.settings import MAX_LOOKUP_LINES
from mithaq.kernel.lane import Lane

_MAX_BYTES = 400 * MAX_LOOKUP_LINES
_NAMED = 20
_COLUMNS = ("line", "type", "value", "known", "name", "tlp")


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.pass_context
def lookup(ctx: click.Context, file: str, lane: Lane) -> None:
    """Look up the values in FILE, one a line, in any spelling (defanged too); `-` is standard input."""
    session: Session = ctx.obj
    node = session.node()
    lines = read_input(file, _MAX_BYTES).decode("utf-8", "replace").splitlines()
    with node.db.read() as connection:
        answers = node.holdings.look_up(connection, lines, lane)
    if session.as_json:
        session.emit_rows((answer.as_json() for answer in answers), ())
    else:
        session.emit_rows([_row(answer) for answer in answers if answer.observable], _COLUMNS)
    _name_unrecognised(session, [answer for answer in answers if answer.observable is None])


def _row(answer: LookedUp) -> dict[str, Any]:
    newest = answer.objects[0] if answer.objects else None
    return {
        "line": answer.line,
        "type": answer.observable.type if answer.observable else "",
        "value": answer.observable.value if answer.observable else "",
        "known": f"{len(answer.objects)}{'+' if answer.more else ''}",
        "name": newest.name or newest.id if newest else "",
        "tlp": newest.tlp.label if newest else "",
    }


def _name_unrecognised(session: Session, answers: list[LookedUp]) -> None:
    for answer in answers[:_NAMED]:
        session.say("line %(line)s is no value: %(text)s", line=answer.line, text=answer.written[:80])
    if len(answers) > _NAMED:
        session.say("and %(count)s more lines are no value", count=len(answers) - _NAMED)
