"""How one agreement is shown: where it stands, who has signed, its terms as sentences."""

import hashlib
from datetime import datetime
from typing import Any

import msgspec

from mithaq.agreements.model import Agreement, Document
from mithaq.cli.agreement.find import title_of
from mithaq.cli.layout import agreement_word, cell, labelled, name_in, plain, printable
from mithaq.cli.session import Session
from mithaq.node.agreements_in_words.document import sentences_of


def row_of(session: Session, known: Agreement, at: datetime) -> dict[str, Any]:
    """Return an agreement as one row: who has signed and who has not, from when to when, its hash."""
    document = known.document
    return {
        "id": document.id,
        "version": document.version,
        "title": title_of(session, known),
        "state": str(known.state(at)),
        "parties": sorted(known.parties),
        "signed_by": sorted(known.signed_by),
        "missing": sorted(known.missing),
        "officials": {
            party.nation: dict(zip(("signed", "needed"), known.officials_of(party.nation), strict=True))
            for party in known.document.parties
            if party.signatories
        },
        "not_before": known.not_before,
        "not_after": known.not_after,
        "hash": known.reference.hash,
    }


def emit(session: Session, known: Agreement) -> None:
    """Print an agreement, and who still has to sign it."""
    row = row_of(session, known, session.now())
    said = sentences(session, known.document)
    value = plain(row) | {"terms": msgspec.to_builtins(known.document.terms), "sentences": said}
    session.emit(value, lambda: _text(session, known, row, said))
    if known.missing:
        session.say(
            "Not in force until signed by %(missing)s. Send it to them: mithaq agreement send %(id)s",
            missing=", ".join(sorted(known.missing)),
            id=known.document.id,
        )


def _text(session: Session, known: Agreement, row: dict[str, Any], said: list[str]) -> str:
    words = session.words.gettext
    lines = [
        (words("title"), row["title"]),
        (words("id"), row["id"]),
        (words("version"), f"{row['version']} ({row['hash'][:16]}…)"),
        (words("state"), agreement_word(session, row["state"])),
        (words("from"), cell(session, known.not_before)),
        (words("until"), cell(session, known.not_after)),
    ]
    lines += [
        (
            words("party"),
            f"{party.nation} ({name_in(session, party.names)}): {signed_word(session, known, party.nation)}",
        )
        for party in known.document.parties
    ]
    return "\n".join([labelled(lines), "", *(f"- {sentence}" for sentence in said)])


def sentences(session: Session, document: Document) -> list[str]:
    """Return everything that is agreed as sentences in the reader's language."""
    return [printable(each.text) for each in sentences_of(session.words, document)]


def sentence_lines(session: Session, document: Document) -> list[str]:
    """Return an agreement's title and its sentences, one a line."""
    return [name_in(session, document.title), "", *(f"- {each}" for each in sentences(session, document)), ""]


def digest_of(payload: bytes) -> str:
    """Return the SHA-256 of a document's bytes, by which every party names it."""
    return hashlib.sha256(payload).hexdigest()


def signed_word(session: Session, known: Agreement, nation: str) -> str:
    """Say whether a party has signed, and how many of its officials where it names some."""
    said = session.words.gettext("signed") if nation in known.signed_by else session.words.gettext("not signed")
    signed, needed = known.officials_of(nation)
    if not needed:
        return said
    return session.words.gettext(
        "%(said)s (%(signed)s of %(needed)s officials)", said=said, signed=signed, needed=needed
    )
