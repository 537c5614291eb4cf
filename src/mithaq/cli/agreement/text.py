"""`mithaq agreement text`: the legal text that ministers sign, by its hash."""

import hashlib
from collections.abc import Sequence
from typing import Any, cast, get_args

import click

from mithaq.agreements.errors import BadAgreement
from mithaq.agreements.model import LegalText
from mithaq.agreements.vocabulary import Language
from mithaq.cli.agreement.find import resolve
from mithaq.cli.files import read_input
from mithaq.cli.session import EXIT_FAILED, Session

MAX_TEXT_BYTES = 64 * 1024 * 1024


@click.group()
def text() -> None:
    """Compare files with the legal text of an agreement."""


@text.command()
@click.argument("agreement_id", metavar="ID")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--version", type=click.IntRange(1), default=None, help="The newest by default.")
@click.pass_context
def check(ctx: click.Context, agreement_id: str, file: str, version: int | None) -> None:
    """Tell whether FILE is, byte for byte, the legal text of an agreement, and in which language."""
    session: Session = ctx.obj
    known = resolve(session.node(), agreement_id, version).document
    if known.legal_text is None:
        raise BadAgreement("the agreement names no legal text", subject=known.id)
    digest = _digest(file)
    found = [language for language, named in known.legal_text.hashes.items() if named == digest]
    prevails = known.legal_text.prevailing in found
    session.emit(
        {"sha256": digest, "languages": found, "prevails": prevails},
        lambda: _said(session, found, prevails),
    )
    if not found:
        ctx.exit(EXIT_FAILED)


def legal_text_of(texts: Sequence[str], prevailing: Language | None) -> LegalText | None:
    """Return the hashes of files given as `ar=FILE`; the first language prevails where nothing else is said.

    Raises:
        click.UsageError: a text has no language, or the prevailing one no text.
    """
    hashes: dict[Language, str] = {}
    for each in texts:
        language, _, file = each.partition("=")
        if language not in get_args(Language) or not file:
            raise click.UsageError("--legal-text wants ar=FILE, en=FILE or fr=FILE")
        hashes[cast("Language", language)] = _digest(file)
    if prevailing is not None and prevailing not in hashes:
        raise click.UsageError("--prevailing wants the --legal-text of that language")
    if not hashes:
        return None
    return LegalText(hashes, prevailing if prevailing is not None else next(iter(hashes)))


def _digest(file: str) -> str:
    return hashlib.sha256(read_input(file, MAX_TEXT_BYTES)).hexdigest()


def _said(session: Session, found: Sequence[Any], prevails: bool) -> str:
    words = session.words.gettext
    if not found:
        return words("This is no text of the agreement, or it was changed.")
    if prevails:
        return words("This is the legal text that prevails (%(language)s).", language=found[0])
    return words("This is the legal text in %(language)s; another language prevails.", language=found[0])
