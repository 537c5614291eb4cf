"""`mithaq agreement statements`, `statement export` and `statement import`: what parties have said after signing."""

from typing import Any

import click

from mithaq.agreements.errors import BadStatement
from mithaq.agreements.speaking import MAX_ENVELOPE_BYTES, Heard
from mithaq.cli.agreement.find import resolve
from mithaq.cli.files import read_input, write_output
from mithaq.cli.layout import Column, name_in, show_rows, word
from mithaq.cli.session import Session
from mithaq.kernel.ids import NationId
from mithaq.node.language import msgid

_COLUMNS = {
    "at": Column(msgid("when")),
    "nation": Column(msgid("nation")),
    "number": Column(msgid("number")),
    "kind": Column(msgid("what"), lambda session, value: word(session, f"statement-{value}")),
    "about": Column(msgid("about")),
    "reason": Column(msgid("reason"), lambda session, value: word(session, f"because-{value}")),
    "from": Column(msgid("from")),
    "on_the_way_to": Column(msgid("not yet at")),
}


@click.command()
@click.argument("agreement_id", metavar="ID")
@click.pass_obj
def statements(session: Session, agreement_id: str) -> None:
    """List what parties have said of an agreement since it was signed, and whom it has not reached yet."""
    node = session.node()
    known = resolve(node, agreement_id)
    with node.db.read() as connection:
        heard = node.statements.all(connection, known.document.id)
        waiting = node.letters.on_the_way(connection, known.document.id)
    missing = {
        each.envelope: sorted(letter.recipient for letter in waiting if letter.envelope == each.envelope)
        for each in heard
    }
    rows = [_row(session, each, missing[each.envelope]) for each in sorted(heard, key=lambda each: each.statement.at)]
    show_rows(session, rows, _COLUMNS, empty=msgid("No party has said anything since it was signed."))
    for letter in waiting:
        if letter.refusal:
            session.say(
                "The node of %(nation)s did not take a letter: %(detail)s",
                nation=letter.recipient,
                detail=letter.refusal,
            )


@click.group()
def statement() -> None:
    """Carry statements between nations as files, where no link exists."""


@statement.command("export")
@click.argument("agreement_id", metavar="ID")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--nation", default=None, help="Whose; this nation's, where absent.")
@click.option("--number", type=click.IntRange(1), default=None, help="The newest by default.")
@click.pass_obj
def export_statement(session: Session, agreement_id: str, file: str, nation: str | None, number: int | None) -> None:
    """Write one signed statement about an agreement to FILE (`-`: standard output), for the other parties."""
    node = session.node()
    known = resolve(node, agreement_id)
    with node.db.read() as connection:
        heard = node.statements.all(connection, known.document.id)
    whose = (nation or node.nation).upper()
    found = [each for each in heard if each.statement.nation == whose and number in (None, each.statement.sequence)]
    if not found:
        raise BadStatement("there is no such statement here", subject=known.document.id)
    write_output(file, found[-1].envelope)
    session.say("The others take it with: mithaq agreement statement import FILE")


@statement.command("import")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.pass_obj
def import_statement(session: Session, file: str) -> None:
    """Take a statement that another party has signed."""
    data = read_input(file, MAX_ENVELOPE_BYTES)
    said = session.node().statements.receive(data, at=session.now(), actor=session.actor)
    session.emit({"agreement": said.agreement.id, "nation": said.nation, "kind": said.kind, "number": said.sequence})


def _row(session: Session, heard: Heard, missing: list[NationId]) -> dict[str, Any]:
    said = heard.statement
    return {
        "at": said.at,
        "nation": said.nation,
        "number": said.sequence,
        "kind": said.kind,
        "about": said.subject,
        "scope": list(said.scope),
        "reason": said.reason,
        "words": name_in(session, said.words) if said.words else None,
        "from": said.effective_at,
        "version": said.agreement.version,
        "on_the_way_to": missing,
    }
