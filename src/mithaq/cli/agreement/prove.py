"""`mithaq agreement prove`: what holds of every release under a text, proved or refuted by a case."""

from pathlib import Path

import click

from mithaq.agreements.model import Document
from mithaq.agreements.rules import MAX_DOCUMENT_BYTES, read_document
from mithaq.cli.agreement.find import resolve
from mithaq.cli.files import read_input
from mithaq.cli.session import Session
from mithaq.kernel import canonical
from mithaq.node.language import msgid
from mithaq.release.theorems import Proof, told
from mithaq.release.theorems import prove as prove_text


@click.command()
@click.argument("text", metavar="ID|FILE")
@click.option("--version", type=click.IntRange(1), default=None, help="The newest by default; not for a file.")
@click.pass_obj
@click.pass_context
def prove(ctx: click.Context, session: Session, text: str, version: int | None) -> None:
    """Prove what holds of every release under an agreement, or under the draft in FILE.

    Each theorem is proved for all objects, instants and directions between the parties, or refuted by a case. Ends
    with 1 where one is refuted.
    """
    proofs = prove_text(_document(session, text, version))
    for proof in proofs:
        _emit(session, proof)
    refuted = sum(not proof.holds for proof in proofs)
    if refuted:
        session.say("%(count)s of %(all)s theorems do not hold.", count=refuted, all=len(proofs))
        ctx.exit(1)


def _document(session: Session, text: str, version: int | None) -> Document:
    if text != "-" and not Path(text).is_file():
        return resolve(session.node(), text, version).document
    data = read_input(text, MAX_DOCUMENT_BYTES)
    return read_document(canonical.dumps(canonical.loads(data, max_bytes=MAX_DOCUMENT_BYTES, subject=text)))


def _emit(session: Session, proof: Proof) -> None:
    translate = session.words.gettext
    words = proof.theorem.words.said(translate)
    case = None if proof.refuted is None else told(proof.refuted).said(translate)
    row = {
        "theorem": proof.theorem.id,
        "sentence": words,
        "holds": proof.holds,
        "directions": proof.directions,
        "counterexample": case,
    }
    outcome = translate(msgid("proved") if proof.holds else msgid("refuted"))
    session.emit(row, lambda: f"{outcome}: {words}" + (f"\n    {case}" if case else ""))
