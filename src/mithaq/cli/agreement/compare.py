"""`mithaq agreement lint`, `diff`, `counter`: what is wrong with a draft, and what it changes."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from mithaq.agreements.errors import BadAgreement
from mithaq.agreements.lint import Flaw, lint
from mithaq.agreements.model import AGREEMENT_TYPE, Document
from mithaq.agreements.rules import MAX_DOCUMENT_BYTES, payload_of, read_document
from mithaq.cli.agreement.find import resolve
from mithaq.cli.files import read_input, write_output
from mithaq.cli.layout import printable
from mithaq.cli.session import EXIT_FAILED, Session
from mithaq.kernel import canonical
from mithaq.kernel.signing import read_envelope
from mithaq.node.agreements_in_words.difference import Changed, changes_of


@click.command("lint")
@click.argument("subject", metavar="FILE|ID")
@click.pass_context
def lint_(ctx: click.Context, subject: str) -> None:
    """Say what is wrong with a draft: contradictions, and terms nobody can meet. Ends with 1 on errors."""
    session: Session = ctx.obj
    findings = lint(document_of(session, subject), session.now())
    if session.as_json:
        session.emit_rows((_row(session, each) for each in findings), ())
    else:
        click.echo("\n".join(_lines(session, findings)) or session.words.gettext("Nothing is wrong with it."))
    if any(each.severity == "error" for each in findings):
        ctx.exit(EXIT_FAILED)


@click.command()
@click.argument("earlier", metavar="A")
@click.argument("later", metavar="B")
@click.pass_obj
def diff(session: Session, earlier: str, later: str) -> None:
    """Say what changes from A to B for each direction. Each is a file, an ID, or ID@VERSION."""
    show_changes(session, document_of(session, earlier), document_of(session, later))


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--from", "origin", required=True, metavar="ID", help="The agreement or the file that is answered.")
@click.option("--set", "changes", multiple=True, metavar="TERM=VALUE", help="A term, its value as JSON; null removes.")
@click.pass_obj
def counter(session: Session, file: str, origin: str, changes: tuple[str, ...]) -> None:
    """Write a counter-proposal to FILE: the same agreement with other terms, and say what it changes."""
    known = document_of(session, origin)
    value: dict[str, Any] = msgspec.to_builtins(known)
    terms = value["terms"]
    for each in changes:
        name, _, text = each.partition("=")
        _put(terms, name.split("."), _json(text), each)
    if not Path(origin).is_file():  # what is known here may be signed: an answer is the version after it
        agreement = resolve(session.node(), *_id_of(origin))
        value |= {"version": known.version + 1, "previous_hash": agreement.reference.hash}
    try:
        document = read_document(canonical.dumps(msgspec.to_builtins(msgspec.convert(value, Document))))
    except msgspec.ValidationError as error:
        raise BadAgreement("not in the agreement's vocabulary: %(detail)s", detail=str(error)[:200]) from error
    write_output(file, msgspec.json.format(payload_of(document), indent=2) + b"\n")
    for line in change_lines(session, changes_of(session.words, known, document)):
        click.echo(line, err=True)


def show_changes(session: Session, earlier: Document, later: Document) -> list[Changed]:
    """Print what changes between two documents and return it."""
    found = changes_of(session.words, earlier, later)
    if session.as_json:
        session.emit_rows((msgspec.to_builtins(each) for each in found), ())
    else:
        click.echo("\n".join(change_lines(session, found)))
    return found


def change_lines(session: Session, found: Sequence[Changed]) -> list[str]:
    """Return changes as lines for people."""
    words = session.words.gettext
    if not found:
        return [words("Nothing changes: the same may pass in every direction, and the same is owed.")]
    lines = []
    for each in found:
        lines.append(f"* {printable(each.where)}: {each.verdict}")
        lines += [f"  - {printable(each.before)}"] if each.before else []
        lines += [f"  + {printable(each.after)}"] if each.after else []
    return lines


def document_of(session: Session, subject: str) -> Document:
    """Return the document of a draft, of an exported agreement, or of one that is known here.

    Raises:
        BadJson, BadAgreement: the file holds no agreement.
        UnknownAgreement: no file, and no agreement of this id.
    """
    if not Path(subject).is_file():
        return resolve(session.node(), *_id_of(subject)).document
    data = read_input(subject, canonical.MAX_SIGNED_BYTES)
    value = canonical.loads(data, max_bytes=canonical.MAX_SIGNED_BYTES, subject=subject)
    if isinstance(value, dict) and "payload" in value:
        envelope = read_envelope(data, subject=subject)
        if envelope.payload_type != AGREEMENT_TYPE:
            raise BadAgreement("this is no agreement", subject=subject)
        return read_document(envelope.payload)
    if len(data) > MAX_DOCUMENT_BYTES:
        raise BadAgreement("this is no agreement", subject=subject)
    return read_document(canonical.dumps(value))


def _id_of(subject: str) -> tuple[str, int | None]:
    agreement_id, _, version = subject.partition("@")
    return agreement_id, int(version) if version.isdecimal() else None


def _put(terms: dict[str, Any], path: list[str], value: Any, subject: str) -> None:
    """Put a value under a path such as `onward.mode`; what the vocabulary does not know is refused afterwards."""
    *way, last = path
    for step in way:
        inner = terms.setdefault(step, {})
        if not isinstance(inner, dict):
            raise BadAgreement("there is nothing below this term", subject=subject[:80])
        terms = inner
    if value is None:
        terms.pop(last, None)
    else:
        terms[last] = value


def _json(text: str) -> Any:
    """Read a value: JSON, else a plain word such as TLP:GREEN."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _row(session: Session, finding: Flaw) -> dict[str, str]:
    words = session.words.gettext
    return {
        "severity": finding.severity,
        "term": finding.term,
        "sentence": words(finding.message, **finding.params),
        "remedy": words(finding.remedy, **{k: v for k, v in finding.params.items() if f"%({k})" in finding.remedy}),
    }


def _lines(session: Session, findings: Sequence[Flaw]) -> list[str]:
    severities = {"error": session.words.gettext("error"), "warning": session.words.gettext("warning")}
    lines = []
    for row in (_row(session, each) for each in findings):
        lines.append(f"{severities[row['severity']]}: {row['term']}: {printable(row['sentence'])}")
        lines.append(f"  → {printable(row['remedy'])}")
    return lines
