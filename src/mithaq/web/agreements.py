"""Agreements: the list, and what a person does with one: sign it, make a statement about it, give a standing order."""

from typing import cast, get_args

from starlette.responses import JSONResponse, Response

from mithaq.agreements.errors import BadAgreement, BadStatement
from mithaq.agreements.model import Agreement, Passkey
from mithaq.agreements.signatures import Signatory, challenge_of, cose_of, signatories
from mithaq.agreements.statement import Draft, StatementReason
from mithaq.agreements.vocabulary import Words
from mithaq.kernel.ids import NationId
from mithaq.nations.people.audit import audit
from mithaq.nations.people.model import Verb
from mithaq.web.doors import Door, Visit
from mithaq.web.sign_in import answer_of, begun_with, needed_party

STATEMENT_REASONS = get_args(StatementReason)
MAX_WORDS = 500
"""Characters of a statement's own words, as the vocabulary of agreements has it."""


def agreements(visit: Visit) -> Response:
    """List every agreement, its newest version first."""
    with visit.site.node.db.read() as connection:
        known = visit.site.node.agreements.all(connection)
    newest: dict[str, Agreement] = {}
    for agreement in known:
        newest.setdefault(agreement.document.id, agreement)
    return visit.page(
        "agreements.html", agreements=[(each, visit.in_own_language(each.document.title)) for each in newest.values()]
    )


def sign(visit: Visit) -> Response:
    """Sign an agreement for this nation."""
    node, agreement_id = visit.site.node, visit.request.path_params["agreement_id"]
    node.agreements.sign(agreement_id, node.signer, at=visit.at, actor=visit.person.id)
    return _done(visit, agreement_id, "agreement.sign")


def suspend(visit: Visit) -> Response:
    """Suspend an agreement for this nation at once, or end the suspension; or ask that another party be suspended."""
    target = NationId(visit.field("target")) if visit.field("target") else None
    if visit.field("suspended") == "yes":
        draft = Draft("suspend", _reason(visit, "national-decision"), target, words=_own_words(visit))
        return _say(visit, draft, "agreement.suspend")
    return _say(visit, Draft("resume", "resolved", target), "agreement.resume")


def withdraw(visit: Visit) -> Response:
    """Withdraw this nation from an agreement, after the notice that was agreed."""
    draft = Draft("withdraw", _reason(visit, "national-decision"), words=_own_words(visit))
    return _say(visit, draft, "agreement.withdraw")


def object_to_renewal(visit: Visit) -> Response:
    """Object to the next renewal of an agreement, so that it ends then."""
    draft = Draft("object-to-renewal", _reason(visit, "national-decision"), words=_own_words(visit))
    return _say(visit, draft, "agreement.object")


def _say(visit: Visit, draft: Draft, action: str) -> Response:
    node, agreement_id = visit.site.node, visit.request.path_params["agreement_id"]
    node.statements.say(agreement_id, draft, node.signer, at=visit.at, actor=visit.person.id)
    return _done(visit, agreement_id, action)


def _reason(visit: Visit, otherwise: StatementReason) -> StatementReason:
    """Return the reason that was chosen.

    Raises:
        BadStatement: it is none of the closed list.
    """
    chosen = visit.field("reason", otherwise)
    if chosen not in STATEMENT_REASONS:
        raise BadStatement("choose one of the reasons that are offered")
    return cast("StatementReason", chosen)


def _own_words(visit: Visit) -> Words | None:
    text = visit.field("words").strip()[:MAX_WORDS]
    return cast("Words", {visit.words.language: text}) if text else None


def order(visit: Visit) -> Response:
    """Order that new objects go to the parties of an agreement, or end that order."""
    orders, agreement_id = visit.site.node.exchange, visit.request.path_params["agreement_id"]
    if purpose := visit.field("purpose"):
        orders.stand(agreement_id, purpose, at=visit.at, actor=visit.person.id)
        return _done(visit, agreement_id, "release.order")
    orders.stop(agreement_id, at=visit.at, actor=visit.person.id)
    return _done(visit, agreement_id, "release.order-end")


def official_options(visit: Visit) -> Response:
    """Begin to sign as an official: what the passkey signs is the digest of the document."""
    agreement = _newest(visit)
    keys = [
        cose_of(each.official.key)
        for each in passkey_officials(visit, agreement)
        if isinstance(each.official.key, Passkey)
    ]
    options = visit.site.node.people.passkeys.approval_options(
        visit.person.id, keys, challenge_of(agreement.envelope), needed_party(visit)
    )
    return begun_with((agreement.reference.hash, options))


def official(visit: Visit) -> Response:
    """Add the visitor's signature as an official, made with a passkey over exactly this text."""
    node, (read, credential, _) = visit.site.node, answer_of(visit)
    agreement = _newest(visit)
    if read != agreement.reference.hash:
        raise BadAgreement("the text has changed since you read it; read it again", subject=agreement.document.id)
    cose = node.people.passkeys.used(credential, visit.person.id).public_key
    agreement_id = agreement.document.id
    node.agreements.sign_by_passkey(agreement_id, cose, credential, at=visit.at, actor=visit.person.id)
    _done(visit, agreement_id, "agreement.official")
    return JSONResponse({"location": f"/agreements/{agreement_id}"})


def _newest(visit: Visit) -> Agreement:
    node = visit.site.node
    with node.db.read() as connection:
        return node.agreements.get(connection, visit.request.path_params["agreement_id"])


def passkey_officials(visit: Visit, agreement: Agreement) -> list[Signatory]:
    """Return this nation's officials who sign with a passkey and have not done so yet."""
    return [
        each
        for each in signatories(agreement.document)
        if each.nation == visit.site.node.nation
        and isinstance(each.official.key, Passkey)
        and (each.nation, each.official.id) not in agreement.officials_signed
    ]


def _done(visit: Visit, agreement_id: str, action: str) -> Response:
    with visit.site.node.db.write(visit.at) as tx:
        audit(tx, actor=visit.person.id, action=action, subject=agreement_id)
    return visit.go(f"/agreements/{agreement_id}")


DOORS = (
    Door("/agreements", agreements, Verb.AGREEMENT_READ),
    Door("/agreements/{agreement_id}/sign", sign, Verb.AGREEMENT_SIGN, "POST"),
    Door("/agreements/{agreement_id}/suspend", suspend, Verb.AGREEMENT_SIGN, "POST"),
    Door("/agreements/{agreement_id}/withdraw", withdraw, Verb.AGREEMENT_SIGN, "POST"),
    Door("/agreements/{agreement_id}/object", object_to_renewal, Verb.AGREEMENT_SIGN, "POST"),
    Door("/agreements/{agreement_id}/official", official, Verb.AGREEMENT_SIGN, "POST"),
    Door("/agreements/{agreement_id}/official/options", official_options, Verb.AGREEMENT_SIGN, "POST"),
    Door("/agreements/{agreement_id}/order", order, Verb.RELEASE_DECIDE, "POST"),
)
