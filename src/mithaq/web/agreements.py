"""Agreements: the list, and one agreement with its terms as sentences, its signatures and its state."""

from collections.abc import Mapping
from typing import Any, cast

from starlette.responses import Response

from mithaq.agreements.model import Agreement
from mithaq.agreements.statement import Draft
from mithaq.agreements.statements import callers
from mithaq.agreements.term_rules import agreed_rules
from mithaq.agreements.terms import Terms
from mithaq.kernel.clock import from_rfc3339
from mithaq.nations.people.audit import audit
from mithaq.nations.people.model import Verb
from mithaq.web.doors import Door, Visit
from mithaq.web.labels import LABELS


def agreements(visit: Visit) -> Response:
    """List every agreement, its newest version first."""
    with visit.site.node.db.read() as connection:
        known = visit.site.node.agreements.all(connection)
    newest: dict[str, Agreement] = {}
    for agreement in known:
        newest.setdefault(agreement.document.id, agreement)
    return visit.page(
        "agreements.html", agreements=[(each, words_of(visit, each.document.title)) for each in newest.values()]
    )


def agreement(visit: Visit) -> Response:
    """Show one agreement."""
    node, agreement_id = visit.site.node, visit.request.path_params["agreement_id"]
    with node.db.read() as connection:
        found = node.agreements.get(connection, agreement_id)
        orders = dict(node.exchange.standing(connection))
        said = [each.statement for each in node.statements.all(connection, agreement_id)]
    document = found.document
    return visit.page(
        "agreement.html",
        agreement=found,
        title=words_of(visit, document.title),
        terms=[(rule.kept_by, visit.words.gettext(rule.sentence, value=_shown(visit, document.terms, rule.name)))
               for rule in agreed_rules(document.terms)],
        parties=[(party, words_of(visit, party.names), party.nation in found.signed_by) for party in document.parties],
        order=orders.get(agreement_id, ""),
        said=[(each, from_rfc3339(each.at)) for each in sorted(said, key=lambda each: each.at)],
        callers=sorted(callers(said).items()),
    )  # fmt: skip


def sign(visit: Visit) -> Response:
    """Sign an agreement for this nation."""
    node, agreement_id = visit.site.node, visit.request.path_params["agreement_id"]
    node.agreements.sign(agreement_id, node.signer, at=visit.at, actor=visit.person.id)
    return _done(visit, agreement_id, "agreement.sign")


def suspend(visit: Visit) -> Response:
    """Suspend an agreement for this nation at once, or end the suspension."""
    agreement_id = visit.request.path_params["agreement_id"]
    wanted = visit.field("suspended") == "yes"
    node, draft = visit.site.node, Draft("suspend", "national-decision") if wanted else Draft("resume", "resolved")
    node.statements.say(agreement_id, draft, node.signer, at=visit.at, actor=visit.person.id)
    return _done(visit, agreement_id, "agreement.suspend" if wanted else "agreement.resume")


def order(visit: Visit) -> Response:
    """Order that new objects go to the parties of an agreement, or end that order."""
    orders, agreement_id = visit.site.node.exchange, visit.request.path_params["agreement_id"]
    if purpose := visit.field("purpose"):
        orders.stand(agreement_id, purpose, at=visit.at, actor=visit.person.id)
        return _done(visit, agreement_id, "release.order")
    orders.stop(agreement_id, at=visit.at, actor=visit.person.id)
    return _done(visit, agreement_id, "release.order-end")


def _done(visit: Visit, agreement_id: str, action: str) -> Response:
    with visit.site.node.db.write(visit.at) as tx:
        audit(tx, actor=visit.person.id, action=action, subject=agreement_id)
    return visit.go(f"/agreements/{agreement_id}")


def words_of(visit: Visit, words: Mapping[Any, str]) -> str:
    """Return a text that is kept in several languages in the reader's, else in English, else in any."""
    return words.get(visit.words.language) or words.get("en") or next(iter(words.values()))


def _shown(visit: Visit, terms: Terms, name: str) -> str | int:
    """Say the value of a term in the reader's words."""
    value = getattr(terms, name)
    if name == "onward":
        said = _said(visit, f"onward-{terms.onward.mode}")
        inside = visit.words.gettext(LABELS["onward-constituents"])
        return f"{said}{_said(visit, 'separator')}{inside}" if terms.onward.constituents else said
    if isinstance(value, list):
        return _said(visit, "separator").join(_said(visit, str(each)) for each in value)
    return cast("str | int", value)


def _said(visit: Visit, value: str) -> str:
    return visit.words.gettext(LABELS.get(value, value))


DOORS = (
    Door("/agreements", agreements, Verb.AGREEMENT_READ),
    Door("/agreements/{agreement_id}", agreement, Verb.AGREEMENT_READ),
    Door("/agreements/{agreement_id}/sign", sign, Verb.AGREEMENT_SIGN, "POST"),
    Door("/agreements/{agreement_id}/suspend", suspend, Verb.AGREEMENT_SIGN, "POST"),
    Door("/agreements/{agreement_id}/order", order, Verb.RELEASE_DECIDE, "POST"),
)
