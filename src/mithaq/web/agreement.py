"""One agreement: what it says by how it is kept, who has signed, its versions, its clocks, what was said since."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from mithaq.agreements.errors import UnknownAgreement
from mithaq.agreements.model import Agreement, Official, Party
from mithaq.agreements.statements import callers, objected_end
from mithaq.exchange.membership.outcome import outcomes
from mithaq.kernel.ids import NationId
from mithaq.nations.people.model import Verb
from mithaq.node.agreements_in_words.difference import changes_of
from mithaq.node.agreements_in_words.document import sentences_of
from mithaq.node.agreements_in_words.terms import SaidTerm
from mithaq.node.language import LANGUAGES, Translator, msgid, translator
from mithaq.web.agreements import STATEMENT_REASONS, passkey_officials
from mithaq.web.clocks import clocks_of
from mithaq.web.doors import Door, Visit

_FRAME = frozenset({"parties", "signatories", "contacts", "entry", "validity", "renewal", "legal_text"})
"""What an agreement says of itself, beside its terms."""

_GROUPS = {
    "prevent": (msgid("Prevented"), msgid("The node makes a breach impossible.")),
    "oblige": (msgid("Carried out"), msgid("The node does it, or runs a clock on it.")),
    "audit": (msgid("Kept as evidence"), msgid("The node keeps the evidence; people judge it.")),
    "reservations": (msgid("Reservations"), msgid("What one party accepts less of; each can only narrow.")),
    "frame": (msgid("The agreement itself"), msgid("Who is bound, from when on, by which text.")),
}


@dataclass(frozen=True, slots=True)
class Group:
    """Sentences that are kept in the same way."""

    name: str
    title: str
    explained: str
    sentences: Sequence[SaidTerm]


@dataclass(frozen=True, slots=True)
class Signing:
    """One party: its name in the reader's language, and how far its signature is.

    `officials`: each with whether that official has signed; `count` of the `needed` have.
    """

    party: Party
    name: str
    has_signed: bool
    node_signed: bool
    officials: Sequence[tuple[Official, bool]]
    count: int
    needed: int


def agreement(visit: Visit) -> Response:
    """Show one version of an agreement, the newest by default."""
    node, (found, versions) = visit.site.node, chosen(visit)
    document = found.document
    with node.db.read() as connection:
        orders = dict(node.exchange.standing(connection))
        heard = node.statements.all(connection, document.id)
        logs = outcomes(connection, document.id)
    statements = [each.statement for each in heard]
    return visit.page(
        "agreement.html",
        agreement=found,
        title=visit.in_own_language(document.title),
        groups=grouped(visit.words, sentences_of(visit.words, document)),
        parties=[_signing(visit, found, party) for party in document.parties],
        versions=versions,
        is_newest=found is versions[0],
        clocks=clocks_of(found, visit.at),
        heard=sorted(heard, key=lambda each: each.statement.at, reverse=True),
        callers=callers(statements),
        order=orders.get(document.id, ""),
        contradicted=[each for each in logs if each.state in ("contradicts", "refused")],
        passkey_officials=passkey_officials(visit, found),
        reasons=STATEMENT_REASONS,
        may_object=objected_end(found, visit.at) is not None,
        languages_in_order=_own_first(visit),
    )


def languages(visit: Visit) -> Response:
    """Show every sentence of an agreement in all languages, side by side: what a minister signs."""
    found, versions = chosen(visit)
    order = _own_first(visit)
    said = [sentences_of(translator(language), found.document) for language in order]
    return visit.page(
        "agreement_languages.html",
        agreement=found,
        title=visit.in_own_language(found.document.title),
        is_newest=found is versions[0],
        columns=[(language, LANGUAGES[language], translator(language).direction) for language in order],
        titles=[found.document.title.get(language, "") for language in order],  # type: ignore[call-overload]
        rows=list(zip(*said, strict=True)),
    )


def changes(visit: Visit) -> Response:
    """Show what changes between two versions, in effective terms: the newest two by default."""
    found, versions = chosen(visit)
    number = found.document.version
    earlier = version_in(versions, visit.query("from") or str(number - 1), found.document.id)
    return visit.page(
        "agreement_changes.html",
        agreement=found,
        earlier=earlier,
        title=visit.in_own_language(found.document.title),
        changes=changes_of(visit.words, earlier.document, found.document),
    )


def chosen(visit: Visit) -> tuple[Agreement, list[Agreement]]:
    """Return the version that the address asks for, and every version, newest first.

    Raises:
        UnknownAgreement: there is no such agreement or version here.
    """
    node, agreement_id = visit.site.node, visit.request.path_params["agreement_id"]
    with node.db.read() as connection:
        versions = node.agreements.versions(connection, agreement_id)
    wanted = visit.query("version") or (str(versions[0].document.version) if versions else "")
    return version_in(versions, wanted, agreement_id), versions


def version_in(versions: Iterable[Agreement], wanted: str, agreement_id: str) -> Agreement:
    """Return the version with a number that somebody wrote.

    Raises:
        UnknownAgreement: none has it.
    """
    for each in versions:
        if str(each.document.version) == wanted:
            return each
    raise UnknownAgreement("no such agreement at this node", subject=agreement_id[:80])


def grouped(words: Translator, sentences: Iterable[SaidTerm]) -> list[Group]:
    """Put sentences into groups by how they are kept; the agreement's frame and reservations stand apart."""
    found: dict[str, list[SaidTerm]] = {name: [] for name in _GROUPS}
    for each in sentences:
        found[_group_of(each)].append(each)
    said = {name: (words.gettext(title), words.gettext(explained)) for name, (title, explained) in _GROUPS.items()}
    return [Group(name, *said[name], sentences) for name, sentences in found.items() if sentences]


def _group_of(sentence: SaidTerm) -> str:
    if sentence.term in _FRAME:
        return "frame"
    return "reservations" if sentence.term == "reservations" else sentence.kept_by


def _signing(visit: Visit, found: Agreement, party: Party) -> Signing:
    nation = NationId(party.nation)
    officials = party.signatories.officials if party.signatories else ()
    count, needed = found.officials_of(nation)
    return Signing(
        party,
        visit.in_own_language(party.names),
        nation in found.signed_by,
        nation in found.nodes_signed,
        [(each, (nation, each.id) in found.officials_signed) for each in officials],
        count,
        needed,
    )


def _own_first(visit: Visit) -> list[str]:
    """Return the languages, the reader's own one first."""
    return sorted(LANGUAGES, key=lambda language: language != visit.words.language)


DOORS = (
    Door("/agreements/{agreement_id}", agreement, Verb.AGREEMENT_READ),
    Door("/agreements/{agreement_id}/changes", changes, Verb.AGREEMENT_READ),
    Door("/agreements/{agreement_id}/languages", languages, Verb.AGREEMENT_READ),
)
