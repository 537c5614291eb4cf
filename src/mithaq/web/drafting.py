"""Draft an agreement: closed lists, filled in from a template or an agreement, with findings and sentences beside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, get_args

import msgspec
from starlette.responses import Response

from mithaq.agreements.drafting import DEFAULT_DAYS, DEFAULT_TERMS, Draft
from mithaq.agreements.errors import BadAgreement
from mithaq.agreements.lint import Flaw, lint
from mithaq.agreements.model import Agreement, Document
from mithaq.agreements.templates import Template, template, template_names
from mithaq.agreements.vocabulary import (
    ContentClass,
    LaneKind,
    Language,
    ObjectKind,
    PapName,
    PermittedAction,
    Purpose,
    TlpName,
)
from mithaq.kernel.ids import NationId
from mithaq.nations.model import Card, Partner
from mithaq.nations.people.audit import audit
from mithaq.nations.people.model import Verb
from mithaq.node.agreements_in_words.difference import changes_of
from mithaq.node.agreements_in_words.document import sentences_of
from mithaq.node.founding import own_card
from mithaq.node.language import msgid
from mithaq.web.agreement import grouped
from mithaq.web.doors import Door, Visit

_LISTS = {"kinds": ObjectKind, "purposes": Purpose, "lanes": LaneKind, "exclusions": ContentClass}
_CHOICES = ("tlp_ceiling", "pap_ceiling")
_TITLES = {
    "kinds": msgid("Kinds of object"),
    "purposes": msgid("Purposes"),
    "lanes": msgid("Lanes"),
    "exclusions": msgid("Never shared"),
}
"""The words above each list of the form."""

_OPTIONAL = ("permitted_actions", "two_person_from")
_NUMBERS = ("retention_days", "witnesses", "recall_hours")
_ONWARD = ("none", "originator-consent", "parties")


@dataclass(frozen=True, slots=True)
class Ground:
    """What a draft begins with: an agreement that is answered, or a template, or the least of all terms."""

    amends: Agreement | None
    template: Template | None

    @property
    def terms(self) -> Mapping[str, Any]:
        """Return its terms as JSON values."""
        if self.amends:
            built: dict[str, Any] = msgspec.to_builtins(self.amends.document.terms)
            return built
        return self.template.terms if self.template else DEFAULT_TERMS

    @property
    def title(self) -> Mapping[str, str]:
        """Return its title by language."""
        if self.amends:
            return {str(language): text for language, text in self.amends.document.title.items()}
        return self.template.title if self.template else {}

    @property
    def valid_days(self) -> int:
        """Return for how many days it would be in force."""
        if self.amends:
            return max(1, (self.amends.not_after - self.amends.not_before).days)
        return self.template.valid_days if self.template else DEFAULT_DAYS


def begin(visit: Visit) -> Response:
    """Show the form, filled in from a template or from the agreement that is answered."""
    ground = _ground(visit, visit.query("template"), visit.query("amends"))
    return _form(visit, ground, ground.terms, _names_of(_trusted(visit)))


def look(visit: Visit) -> Response:
    """Show what the filled-in form would say, what is wrong with it, and what it changes."""
    ground = _posted_ground(visit)
    terms = dict(ground.terms) | _asked(visit) | {"onward": dict(ground.terms["onward"]) | _onward(visit)}
    try:
        document = _document(visit, ground)
    except BadAgreement as error:
        return _form(visit, ground, terms, _chosen(visit), status=422, trouble=visit.words.error(error))
    return _form(visit, ground, terms, _chosen(visit), document=document)


def download(visit: Visit) -> Response:
    """Give the draft as a file, for `mithaq agreement propose` or for the other parties."""
    document = _document(visit, _posted_ground(visit))
    return Response(
        msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n",
        media_type="application/json",
        headers={"content-disposition": f'attachment; filename="{document.id}-{document.version}.json"'},
    )


def propose(visit: Visit) -> Response:
    """Sign the draft for this nation and keep it; one with errors is not proposed.

    Raises:
        BadAgreement: the draft has errors, or breaks a rule of the vocabulary.
    """
    node, document = visit.site.node, _document(visit, _posted_ground(visit))
    if any(flaw.severity == "error" for flaw in lint(document, visit.at)):
        raise BadAgreement("the draft has errors; see what is wrong with it before it is proposed")
    kept = node.agreements.propose(document, node.signer, at=visit.at, actor=visit.person.id)
    with node.db.write(visit.at) as tx:
        audit(tx, actor=visit.person.id, action="agreement.propose", subject=kept.document.id)
    return visit.go(f"/agreements/{kept.document.id}")


def _form(
    visit: Visit,
    ground: Ground,
    terms: Mapping[str, Any],
    chosen: Sequence[str],
    *,
    status: int = 200,
    document: Document | None = None,
    trouble: str = "",
) -> Response:
    earlier = ground.amends.document if ground.amends else None
    return visit.page(
        "draft.html",
        status=status,
        ground=ground,
        terms=terms,
        titles={language: visit.field(f"title_{language}") or ground.title.get(language, "") for language in _said()},
        days=visit.field("valid_days") or str(ground.valid_days),
        start=visit.field("start"),
        partners=_trusted(visit),
        chosen=chosen,
        templates=[(name, visit.in_own_language(template(name).title)) for name in template_names()],
        lists=[(name, _TITLES[name], get_args(values)) for name, values in _LISTS.items()],
        tlps=get_args(TlpName),
        paps=get_args(PapName),
        actions=get_args(PermittedAction),
        onward=_ONWARD,
        trouble=trouble,
        document=document,
        groups=grouped(visit.words, sentences_of(visit.words, document)) if document else [],
        findings=[_said_flaw(visit, flaw) for flaw in lint(document, visit.at)] if document else [],
        changes=changes_of(visit.words, earlier, document) if document and earlier else None,
    )


def _said() -> tuple[str, ...]:
    return get_args(Language)


def _said_flaw(visit: Visit, flaw: Flaw) -> tuple[str, str, str]:
    """Return how bad a finding is, what it is and what would mend it, in the reader's words."""
    needed = {name: value for name, value in flaw.params.items() if f"%({name})" in flaw.remedy}
    return (
        flaw.severity,
        visit.words.gettext(flaw.message, **flaw.params),
        visit.words.gettext(flaw.remedy, **needed),
    )


def _posted_ground(visit: Visit) -> Ground:
    return _ground(visit, visit.field("template"), visit.field("amends"))


def _ground(visit: Visit, name: str, amends: str) -> Ground:
    if not amends:
        return Ground(None, template(name) if name else None)
    with visit.site.node.db.read() as connection:
        return Ground(visit.site.node.agreements.get(connection, amends), None)


def _document(visit: Visit, ground: Ground) -> Document:
    """Return what the form asks for.

    Raises:
        BadAgreement: no party was chosen, or a value is not in the vocabulary.
    """
    cards = () if ground.amends else _cards(visit)
    return Draft(
        cards=cards,
        titles={language: text for language in _said() if (text := visit.field(f"title_{language}").strip())},
        terms={},
        asked=_asked(visit),
        onward=_onward(visit),
        not_before=_start(visit),
        valid_days=_days(visit),
        template=ground.template,
        own=visit.site.node.nation,
    ).document(ground.amends)


def _cards(visit: Visit) -> list[Card]:
    chosen = set(_chosen(visit))
    others = [each.card for each in _trusted(visit) if each.nation in chosen]
    if not others:
        raise BadAgreement("choose at least one other party")
    return [own_card(visit.site.node.folder), *others]


def _trusted(visit: Visit) -> list[Partner]:
    with visit.site.node.db.read() as connection:
        return [each for each in visit.site.node.partners.all(connection) if each.is_trusted]


def _names_of(partners: Sequence[Partner]) -> list[NationId]:
    return [each.nation for each in partners]


def _chosen(visit: Visit) -> list[str]:
    return [str(each) for each in visit.form.getlist("party")]


def _asked(visit: Visit) -> dict[str, Any]:
    """Return the terms of the form; what is not a number or not in a list is refused by the vocabulary later."""
    asked: dict[str, Any] = {name: [str(each) for each in visit.form.getlist(name)] for name in _LISTS}
    asked |= {name: visit.field(name) for name in (*_CHOICES, *_OPTIONAL)}
    asked |= {name: _number(visit.field(name)) for name in _NUMBERS}
    return asked | {name: asked[name] or None for name in (*_OPTIONAL, "recall_hours")}


def _onward(visit: Visit) -> dict[str, Any]:
    return {"mode": visit.field("onward", "none"), "constituents": visit.field("constituents") == "yes", "nations": []}


def _number(text: str) -> int | str:
    return int(text) if text.isdecimal() and len(text) < 9 else text


def _days(visit: Visit) -> int:
    days = visit.field("valid_days")
    if not days.isdecimal() or not 1 <= int(days[:5]) <= 3650:
        raise BadAgreement("an agreement is in force for 1 to %(limit)s days", limit=3650)
    return int(days[:5])


def _start(visit: Visit) -> datetime:
    if not (text := visit.field("start")):
        return visit.at
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise BadAgreement("no such date: %(detail)s", detail=text[:40]) from error


DOORS = (
    Door("/agreements/draft", begin, Verb.AGREEMENT_DRAFT),
    Door("/agreements/draft", look, Verb.AGREEMENT_DRAFT, "POST"),
    Door("/agreements/draft/file", download, Verb.AGREEMENT_DRAFT, "POST"),
    Door("/agreements/draft/propose", propose, Verb.AGREEMENT_SIGN, "POST"),
)
