"""`mithaq agreement draft`: write a draft from options and a file of terms."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, get_args

import click
import msgspec

from mithaq.agreements.drafting import MAX_TERMS_BYTES, Draft, terms_of_file
from mithaq.agreements.errors import BadAgreement
from mithaq.agreements.templates import template, template_names
from mithaq.agreements.vocabulary import LaneKind, Language, ObjectKind, PapName, Purpose, TlpName
from mithaq.cli.agreement.find import resolve
from mithaq.cli.agreement.official import read_official
from mithaq.cli.agreement.text import legal_text_of
from mithaq.cli.files import read_input, write_output
from mithaq.cli.layout import Column, show_rows
from mithaq.cli.options import nations_of
from mithaq.cli.session import Session
from mithaq.nations.model import Card
from mithaq.node.composition import Node
from mithaq.node.founding import own_card
from mithaq.node.language import msgid


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


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True), default="-")
@click.option(
    "--with",
    "--partner",
    "partners",
    default="",
    help="The other parties, such as XB,XC; all trusted ones where absent.",
)
@click.option("--template", "template_name", default=None, help="Begin with a template; see: agreement templates.")
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
@click.option("--valid-days", type=click.IntRange(1, 3650), help="How long it is in force; a year by default.")
@click.option("--official", "officials", multiple=True, type=click.Path(dir_okay=False), help="An official who signs.")
@click.option("--threshold", type=click.IntRange(1), default=1, show_default=True, help="How many officials sign.")
@click.option("--legal-text", "texts", multiple=True, metavar="LANGUAGE=FILE", help="The text that ministers sign.")
@click.option("--prevailing", type=click.Choice(get_args(Language)), help="The language whose text prevails.")
@click.option("--amends", default=None, metavar="ID", help="Draft the next version of this agreement.")
@click.pass_obj
def draft(
    session: Session,
    file: str,
    partners: str,
    template_name: str | None,
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
    valid_days: int | None,
    officials: tuple[str, ...],
    threshold: int,
    texts: tuple[str, ...],
    prevailing: Language | None,
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
        template=template(template_name) if template_name else None,
        own=node.nation,
        officials=[read_official(read_input(each, MAX_TERMS_BYTES), each) for each in officials],
        threshold=threshold,
        legal_text=legal_text_of(texts, prevailing),
    )
    document = wanted.document(resolve(node, amends) if amends else None)
    write_output(file, msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    session.say("Nothing is signed yet. Read it, then: mithaq agreement propose FILE")


@click.command()
@click.pass_obj
def templates(session: Session) -> None:
    """List the templates a draft may begin with."""
    language = session.words.language
    known = [template(name) for name in template_names()]
    rows = [{"name": each.name, "title": each.title[language], "summary": each.summary[language]} for each in known]
    columns = {"name": Column(msgid("name")), "summary": Column(msgid("what it is for"))}
    show_rows(session, rows, columns, empty="")


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
