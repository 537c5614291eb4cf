"""`mithaq agreement`: from a draft to signatures, and what is agreed in plain sentences."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, get_args

import click
import msgspec
from sqlalchemy import Connection

from mithaq.agreements.errors import BadAgreement, UnknownAgreement
from mithaq.agreements.model import Agreement
from mithaq.agreements.rules import MAX_DOCUMENT_BYTES, read_document
from mithaq.agreements.term_rules import agreed_rules
from mithaq.agreements.terms import Terms
from mithaq.agreements.vocabulary import LaneKind, ObjectKind, PapName, Purpose, TlpName
from mithaq.cli.drafting import MAX_TERMS_BYTES, Draft, terms_of_file
from mithaq.cli.files import read_input, write_output
from mithaq.cli.layout import Column, agreement_word, cell, labelled, name_in, plain, show_rows, word
from mithaq.cli.options import nations_of
from mithaq.cli.session import Session
from mithaq.kernel import canonical
from mithaq.nations.model import Card
from mithaq.node.composition import Node
from mithaq.node.founding import own_card
from mithaq.node.language import msgid

_MIN_PREFIX = 4
_COLUMNS = {
    "id": Column(msgid("id")),
    "version": Column(msgid("version")),
    "title": Column(msgid("title")),
    "state": Column(msgid("state"), agreement_word),
    "parties": Column(msgid("parties")),
    "missing": Column(msgid("not signed by")),
    "not_after": Column(msgid("until")),
}


class _Words(click.ParamType[list[str]]):
    """A list such as `indicator,sighting` of words from a closed vocabulary."""

    name = "words"

    def __init__(self, *known: str) -> None:
        self._known = known

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        words = [each.strip() for each in str(value).split(",") if each.strip()]
        for each in words:
            if each not in self._known:
                self.fail(f"{each} is none of {', '.join(self._known)}", param, ctx)
        return words


@click.group()
def agreement() -> None:
    """Propose, sign, import, export, show and suspend agreements."""


@agreement.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True), default="-")
@click.option("--with", "partners", default="", help="The other parties, such as XB,XC; all trusted ones where absent.")
@click.option("--title-en", default="", help="The title in English.")
@click.option("--title-ar", default="", help="… in Arabic.")
@click.option("--title-fr", default="", help="… in French.")
@click.option("--terms", "terms_file", type=click.Path(dir_okay=False), help="A TOML file of terms; options win.")
@click.option("--kinds", type=_Words(*get_args(ObjectKind)), help="Kinds of object, for instance indicator,sighting.")
@click.option("--tlp-ceiling", type=click.Choice(get_args(TlpName)), help="The highest label that may be shared.")
@click.option("--pap-ceiling", type=click.Choice(get_args(PapName)), help="What recipients may do at most.")
@click.option("--purposes", type=_Words(*get_args(Purpose)), help="For instance defence,warning.")
@click.option("--onward", type=click.Choice(["none", "originator-consent", "parties"]), help="Passing on to others.")
@click.option("--constituents/--no-constituents", default=None, help="Passing on inside the nation.")
@click.option("--retention-days", type=click.IntRange(1, 3650), help="The recipient deletes an object after so long.")
@click.option("--lanes", type=_Words(*get_args(LaneKind)), help="For instance actual,exercise.")
@click.option("--from", "start", type=click.DateTime(), help="In force from then on (UTC); now, where absent.")
@click.option(
    "--valid-days", type=click.IntRange(1, 3650), default=365, show_default=True, help="How long it is in force."
)
@click.option("--amends", default=None, metavar="ID", help="Draft the next version of this agreement.")
@click.pass_obj
def draft(
    session: Session,
    file: str,
    partners: str,
    title_en: str,
    title_ar: str,
    title_fr: str,
    terms_file: str | None,
    kinds: list[str] | None,
    tlp_ceiling: str | None,
    pap_ceiling: str | None,
    purposes: list[str] | None,
    onward: str | None,
    constituents: bool | None,
    retention_days: int | None,
    lanes: list[str] | None,
    start: datetime | None,
    valid_days: int,
    amends: str | None,
) -> None:
    """Write a draft to FILE (standard output by default), to be read, edited and then proposed.

    Without further options it is with every trusted partner, for a year, and covers indicators and sightings up to
    TLP:AMBER and PAP:AMBER for defence, to be passed on to nobody and deleted after 90 days.
    """
    node = session.node()
    asked = {
        "kinds": kinds,
        "tlp_ceiling": tlp_ceiling,
        "pap_ceiling": pap_ceiling,
        "purposes": purposes,
        "retention_days": retention_days,
        "lanes": lanes,
    }
    wanted = Draft(
        cards=_cards(node, partners, amends=amends is not None),
        titles={language: title for language, title in (("en", title_en), ("ar", title_ar), ("fr", title_fr)) if title},
        terms=terms_of_file(read_input(terms_file, MAX_TERMS_BYTES), terms_file) if terms_file else {},
        asked={name: value for name, value in asked.items() if value is not None},
        onward={name: value for name, value in (("mode", onward), ("constituents", constituents)) if value is not None},
        not_before=start.replace(tzinfo=UTC) if start else session.now(),
        valid_days=valid_days,
    )
    document = wanted.document(resolve(node, amends) if amends else None)
    write_output(file, msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    session.say("Nothing is signed yet. Read it, then: mithaq agreement propose FILE")


@agreement.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.pass_obj
def propose(session: Session, file: str) -> None:
    """Sign the draft in FILE for this nation and keep it."""
    node = session.node()
    data = read_input(file, MAX_DOCUMENT_BYTES)
    document = read_document(canonical.dumps(canonical.loads(data, max_bytes=MAX_DOCUMENT_BYTES, subject=file)))
    _emit(session, node.agreements.propose(document, node.signer, at=session.now(), actor=session.actor))


@agreement.command("import")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.pass_obj
def import_(session: Session, file: str) -> None:
    """Take a copy of an agreement with the signatures on it; what is here already stays."""
    data = read_input(file, canonical.MAX_SIGNED_BYTES)
    _emit(session, session.node().agreements.receive(data, at=session.now(), actor=session.actor))


@agreement.command()
@click.argument("agreement_id", metavar="ID")
@click.pass_obj
def sign(session: Session, agreement_id: str) -> None:
    """Add this nation's signature to the newest version; read it first with `show`."""
    node = session.node()
    known = resolve(node, agreement_id)
    _emit(session, node.agreements.sign(known.document.id, node.signer, at=session.now(), actor=session.actor))


@agreement.command()
@click.argument("agreement_id", metavar="ID")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--version", type=click.IntRange(1), default=None, help="The newest by default.")
@click.pass_obj
def export(session: Session, agreement_id: str, file: str, version: int | None) -> None:
    """Write an agreement with all signatures held here to FILE (`-`: standard output), for the other parties."""
    known = resolve(session.node(), agreement_id, version)
    write_output(file, known.envelope.encode())
    session.say("The others take it with: mithaq agreement import FILE")


@agreement.command("list")
@click.option("--all", "every", is_flag=True, help="Earlier versions too.")
@click.pass_obj
def list_(session: Session, every: bool) -> None:
    """List the agreements and where each stands."""
    node, at = session.node(), session.now()
    with node.db.read() as connection:
        known = node.agreements.all(connection)
    newest = {each.document.id: each for each in reversed(known)}
    show_rows(
        session,
        [_row(session, each, at) for each in (known if every else newest.values())],
        _COLUMNS,
        empty=msgid("No agreement yet. Write one with: mithaq agreement draft --with XB,XC --title-en “…” FILE"),
    )


@agreement.command()
@click.argument("agreement_id", metavar="ID")
@click.option("--version", type=click.IntRange(1), default=None, help="The newest by default.")
@click.pass_obj
def show(session: Session, agreement_id: str, version: int | None) -> None:
    """Show an agreement: its terms as sentences, who has signed, where it stands."""
    _emit(session, resolve(session.node(), agreement_id, version))


@agreement.command()
@click.argument("agreement_id", metavar="ID")
@click.pass_obj
def suspend(session: Session, agreement_id: str) -> None:
    """Suspend an agreement for this nation at once: nothing more leaves under it."""
    _suspend(session, agreement_id, wanted=True)


@agreement.command()
@click.argument("agreement_id", metavar="ID")
@click.pass_obj
def resume(session: Session, agreement_id: str) -> None:
    """End the suspension of an agreement."""
    _suspend(session, agreement_id, wanted=False)


def resolve(node: Node, text: str, version: int | None = None) -> Agreement:
    """Return an agreement by its id, or by a beginning of it that only one has.

    Raises:
        UnknownAgreement: there is none, or there are several.
    """
    with node.db.read() as connection:
        return node.agreements.get(connection, _full_id(node, connection, text), version)


def title_of(session: Session, known: Agreement | None) -> str:
    """Return an agreement's title in the reader's language, nothing where it is unknown."""
    return name_in(session, known.document.title) if known else ""


def _full_id(node: Node, connection: Connection, text: str) -> str:
    bare = text.removeprefix("agreement--")
    if len(bare) < _MIN_PREFIX:
        return text
    begins = f"agreement--{bare}"
    found = {each.document.id for each in node.agreements.all(connection) if each.document.id.startswith(begins)}
    if len(found) > 1:
        raise UnknownAgreement("several agreements begin so; write more of the id", subject=text[:80])
    return found.pop() if found else text


def _cards(node: Node, partners: str, *, amends: bool) -> Sequence[Card]:
    """Return the cards of the parties: those that are named, else every trusted partner, and this nation."""
    with node.db.read() as connection:
        if named := nations_of(partners):
            others = [node.partners.get(connection, nation).card for nation in named]
        else:
            others = [] if amends else [each.card for each in node.partners.all(connection) if each.is_trusted]
    if not others and not amends:
        raise BadAgreement("no partner is trusted here yet; confirm one first, or name the parties with --with")
    return [own_card(node.folder), *others] if others else ()


def _suspend(session: Session, agreement_id: str, *, wanted: bool) -> None:
    node = session.node()
    known = resolve(node, agreement_id)
    changed = node.agreements.set_suspended(known.document.id, wanted, at=session.now(), actor=session.actor)
    _emit(session, changed)


def _row(session: Session, known: Agreement, at: datetime) -> dict[str, Any]:
    document = known.document
    return {
        "id": document.id,
        "version": document.version,
        "title": title_of(session, known),
        "state": str(known.state(at)),
        "parties": sorted(known.parties),
        "signed_by": sorted(known.signed_by),
        "missing": sorted(known.missing),
        "not_before": known.not_before,
        "not_after": known.not_after,
        "hash": known.reference.hash,
    }


def _emit(session: Session, known: Agreement) -> None:
    row = _row(session, known, session.now())
    sentences = _sentences(session, known.document.terms)
    value = plain(row) | {"terms": msgspec.to_builtins(known.document.terms), "sentences": sentences}
    session.emit(value, lambda: _text(session, known, row, sentences))
    if known.missing:
        session.say(
            "Not in force until signed by %(missing)s. Give them a copy: mithaq agreement export %(id)s FILE",
            missing=", ".join(sorted(known.missing)),
            id=known.document.id,
        )


def _text(session: Session, known: Agreement, row: dict[str, Any], sentences: list[str]) -> str:
    words = session.words.gettext
    signed = {True: words("signed"), False: words("not signed")}
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
            f"{party.nation} ({name_in(session, party.names)}): {signed[party.nation in known.signed_by]}",
        )
        for party in known.document.parties
    ]
    return "\n".join([labelled(lines), "", *(f"- {sentence}" for sentence in sentences)])


def _sentences(session: Session, terms: Terms) -> list[str]:
    return [
        session.words.gettext(rule.sentence, value=_shown(session, terms, rule.name)) for rule in agreed_rules(terms)
    ]


def _shown(session: Session, terms: Terms, name: str) -> str | int:
    value = getattr(terms, name)
    comma = word(session, "separator")
    if name == "onward":
        said = [word(session, f"onward-{value.mode}")]
        return comma.join([*said, word(session, "onward-constituents")] if value.constituents else said)
    if isinstance(value, list):
        return comma.join(word(session, each) for each in value)
    shown: str | int = value
    return shown
