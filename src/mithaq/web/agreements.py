"""Agreements: the list, and one agreement with its terms as sentences, its signatures and its state."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from mithaq.agreements.errors import BadAgreement
from mithaq.agreements.model import Agreement, Passkey
from mithaq.agreements.signatures import Signatory, challenge_of, cose_of, signatories
from mithaq.agreements.statement import Draft
from mithaq.nations.people.audit import audit
from mithaq.nations.people.model import Verb
from mithaq.node.agreements_in_words.document import sentences_of
from mithaq.web.doors import Door, Visit
from mithaq.web.sign_in import answer_of, begun_with, needed_party


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
    document = found.document
    return visit.page(
        "agreement.html",
        agreement=found,
        title=words_of(visit, document.title),
        terms=[(each.kept_by, each.text) for each in sentences_of(visit.words, document)],
        parties=[
            (party, words_of(visit, party.names), party.nation in found.signed_by, *found.officials_of(party.nation))
            for party in document.parties
        ],
        passkey_officials=_passkey_officials(visit, found),
        order=orders.get(agreement_id, ""),
    )


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


def official_options(visit: Visit) -> Response:
    """Begin to sign as an official: what the passkey signs is the digest of the document."""
    agreement = _newest(visit)
    keys = [
        cose_of(each.official.key)
        for each in _passkey_officials(visit, agreement)
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


def _passkey_officials(visit: Visit, agreement: Agreement) -> list[Signatory]:
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


def words_of(visit: Visit, words: Mapping[Any, str]) -> str:
    """Return a text that is kept in several languages in the reader's, else in English, else in any."""
    return words.get(visit.words.language) or words.get("en") or next(iter(words.values()))


DOORS = (
    Door("/agreements", agreements, Verb.AGREEMENT_READ),
    Door("/agreements/{agreement_id}", agreement, Verb.AGREEMENT_READ),
    Door("/agreements/{agreement_id}/sign", sign, Verb.AGREEMENT_SIGN, "POST"),
    Door("/agreements/{agreement_id}/suspend", suspend, Verb.AGREEMENT_SIGN, "POST"),
    Door("/agreements/{agreement_id}/official", official, Verb.AGREEMENT_SIGN, "POST"),
    Door("/agreements/{agreement_id}/official/options", official_options, Verb.AGREEMENT_SIGN, "POST"),
    Door("/agreements/{agreement_id}/order", order, Verb.RELEASE_DECIDE, "POST"),
)
