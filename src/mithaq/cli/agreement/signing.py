"""`mithaq agreement propose`, `import`, `sign`, `export`: how signatures are collected."""

import click

from mithaq.agreements.rules import MAX_DOCUMENT_BYTES, read_document
from mithaq.cli.agreement.compare import change_lines
from mithaq.cli.agreement.find import resolve
from mithaq.cli.agreement.shown import emit
from mithaq.cli.files import read_input, write_output
from mithaq.cli.session import Session
from mithaq.kernel import canonical
from mithaq.node.agreements_in_words.difference import changes_of


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.pass_obj
def propose(session: Session, file: str) -> None:
    """Sign the draft in FILE for this nation and keep it."""
    node = session.node()
    data = read_input(file, MAX_DOCUMENT_BYTES)
    document = read_document(canonical.dumps(canonical.loads(data, max_bytes=MAX_DOCUMENT_BYTES, subject=file)))
    emit(session, node.agreements.propose(document, node.signer, at=session.now(), actor=session.actor))


@click.command("import")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.pass_obj
def import_(session: Session, file: str) -> None:
    """Take a copy of an agreement with the signatures on it; what is here already stays."""
    data = read_input(file, canonical.MAX_SIGNED_BYTES)
    emit(session, session.node().agreements.receive(data, at=session.now(), actor=session.actor))


@click.command()
@click.argument("agreement_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Sign an amendment without being asked.")
@click.pass_obj
def sign(session: Session, agreement_id: str, yes: bool) -> None:
    """Add this nation's signature to the newest version; read it first with `show`.

    Where the version follows another, what changes is shown before it is signed.
    """
    node = session.node()
    known = resolve(node, agreement_id)
    if known.document.version > 1 and not yes:
        earlier = resolve(node, known.document.id, known.document.version - 1)
        for line in change_lines(session, changes_of(session.words, earlier.document, known.document)):
            click.echo(line, err=True)
        if not click.confirm(session.words.gettext("Sign this amendment?"), err=True):
            raise click.Abort
    emit(session, node.agreements.sign(known.document.id, node.signer, at=session.now(), actor=session.actor))


@click.command()
@click.argument("agreement_id", metavar="ID")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--version", type=click.IntRange(1), default=None, help="The newest by default.")
@click.pass_obj
def export(session: Session, agreement_id: str, file: str, version: int | None) -> None:
    """Write an agreement with all signatures held here to FILE (`-`: standard output), for the other parties."""
    known = resolve(session.node(), agreement_id, version)
    write_output(file, known.envelope.encode())
    session.say("The others take it with: mithaq agreement import FILE")
