"""Pure decisions about agreements: reading, signatures, what may be proposed."""

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from mithaq.agreements.effective import agreed_terms, narrowed
from mithaq.agreements.errors import BadAgreement
from mithaq.agreements.model import AGREEMENT_TYPE, Agreement, Document, Reservation
from mithaq.agreements.signatures import (
    check_officials,
    officials_signed,
    refuse_unheld_officials,
    signatories,
    signed_parties,
)
from mithaq.kernel import canonical
from mithaq.kernel.clock import from_rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import Envelope, VerifyKey

MAX_DOCUMENT_BYTES = 512 * 1024


def payload_of(document: Document) -> bytes:
    """Return the canonical bytes that every party signs."""
    return canonical.dumps(msgspec.to_builtins(document))


def read_document(payload: bytes) -> Document:
    """Read the machine part of an agreement, strictly.

    Raises:
        BadJson: the bytes are not canonical JSON.
        BadAgreement: an unknown term or value, a nation twice, or dates in the wrong order.
    """
    canonical.loads_canonical(payload, max_bytes=MAX_DOCUMENT_BYTES, subject="agreement")
    try:
        document = msgspec.json.decode(payload, type=Document)
    except msgspec.ValidationError as error:
        raise BadAgreement("not in the agreement's vocabulary: %(detail)s", detail=str(error)[:200]) from error
    _check(document)
    return document


def _check(document: Document) -> None:
    nations = [party.nation for party in document.parties]
    if len(set(nations)) != len(nations):
        raise BadAgreement("a nation is named twice among the parties", subject=document.id)
    if len({party.key_id for party in document.parties}) != len(nations):
        raise BadAgreement("two parties carry one key", subject=document.id)
    if (document.version == 1) != (document.previous_hash is None):
        raise BadAgreement("version 1 has no previous hash, every later version has one", subject=document.id)
    try:
        not_before, not_after = from_rfc3339(document.not_before), from_rfc3339(document.not_after)
    except ValueError as error:
        raise BadAgreement("no such date: %(detail)s", subject=document.id, detail=str(error)[:80]) from error
    if not_before >= not_after:
        raise BadAgreement("it would expire before it enters into force", subject=document.id)
    _check_entry(document)
    check_officials(document)
    _check_named(document)
    for reservation in document.reservations:
        _check_reservation(document, reservation)


def _check_entry(document: Document) -> None:
    entry, parties = document.entry, len(document.parties)
    if (entry.rule == "all") != (entry.count is None):
        raise BadAgreement(
            "entry by count or depositary says how many sign, entry by all does not", subject=document.id
        )
    if entry.count is not None and not 2 <= entry.count <= parties:
        raise BadAgreement("it cannot enter into force by %(count)s signatures", subject=document.id, count=entry.count)
    if (entry.rule == "depositary") != (entry.depositary is not None):
        raise BadAgreement("entry by depositary, and no other, names the depositary", subject=document.id)
    for party in document.parties:
        signatories = party.signatories
        if signatories is None:
            continue
        officials = [official.id for official in signatories.officials]
        if len(set(officials)) != len(officials):
            raise BadAgreement("%(nation)s names an official twice", subject=document.id, nation=party.nation)
        if signatories.threshold > len(officials):
            raise BadAgreement(
                "%(nation)s asks for more signatures than it has officials", subject=document.id, nation=party.nation
            )


def _check_named(document: Document) -> None:
    """Refuse terms that name nations which are no parties, where only parties can be meant."""
    terms, parties = document.terms, {party.nation for party in document.parties}
    named = {
        "ceilings": [nation for each in terms.ceilings for nation in (each.sender, each.recipient) if nation],
        "recipients": terms.recipients,
        "excluded_recipients": terms.excluded_recipients,
        "entry": [document.entry.depositary] if document.entry.depositary else [],
        "reservations": [each.nation for each in document.reservations],
    }
    for term, nations in named.items():
        for nation in nations:
            if nation not in parties:
                raise BadAgreement(
                    "%(term)s names %(nation)s, which is no party", subject=document.id, term=term, nation=nation
                )
    if (terms.onward.mode == "named") != bool(terms.onward.nations):
        raise BadAgreement("passing on to named nations, and nothing else, names them", subject=document.id)


def _check_reservation(document: Document, reservation: Reservation) -> None:
    """Refuse a reservation that widens what was agreed in any term.

    Raises:
        BadAgreement: names the nation and the terms.
    """
    agreed = agreed_terms(document)
    wider = narrowed(agreed, reservation.narrows).wider_than(agreed)
    if wider:
        raise BadAgreement(
            "the reservation of %(nation)s widens what was agreed: %(terms)s",
            subject=document.id,
            nation=reservation.nation,
            terms=", ".join(wider),
        )


def agreement_of(envelope: Envelope, keys: Mapping[NationId, VerifyKey]) -> Agreement:
    """Build an agreement from a signed document and the keys of its parties known here.

    Only signatures that hold under a party's known key, the one the document binds it to, count, and of a party that
    names officials only together with enough of theirs.

    Raises:
        BadJson: the document is not canonical JSON.
        BadAgreement: wrong type, not in the vocabulary, or a signature that belongs to no party.
    """
    if envelope.payload_type != AGREEMENT_TYPE:
        raise BadAgreement("this is no agreement")
    document = read_document(envelope.payload)
    bound = {party.key_id: NationId(party.nation) for party in document.parties}
    known = {*bound, *(each.key_id for each in signatories(document))}
    for key_id, _ in envelope.signatures:
        if key_id.partition(":")[2] not in known:
            raise BadAgreement("it carries a signature of somebody who is no party", subject=document.id)
    nodes = frozenset(
        nation
        for key_id, nation in bound.items()
        if nation in keys and keys[nation].key_id == key_id and envelope.holds_for(keys[nation])
    )
    officials = officials_signed(document, envelope)
    return Agreement(
        document,
        envelope,
        signed_parties(document, nodes, officials),
        from_rfc3339(document.not_before),
        from_rfc3339(document.not_after),
        nodes_signed=nodes,
        officials_signed=officials,
    )


def refuse_unheld_signatures(agreement: Agreement, keys: Mapping[NationId, VerifyKey]) -> None:
    """Refuse a document that shows a signature of a party or of an official which does not hold under the known key.

    Raises:
        BadAgreement: names the party, or the official.
    """
    refuse_unheld_officials(agreement.document, agreement.envelope)
    shown = {key_id.partition(":")[2] for key_id, _ in agreement.envelope.signatures}
    for party in agreement.document.parties:
        nation = NationId(party.nation)
        if party.key_id in shown and nation in keys and nation not in agreement.nodes_signed:
            raise BadAgreement(
                "the signature of %(nation)s does not hold", subject=agreement.document.id, nation=nation
            )


def joined(known: Agreement, new: Agreement) -> Agreement:
    """Return the agreement with the signatures of both copies.

    Raises:
        BadAgreement: the copies are different texts under one id and version.
    """
    if known.envelope.payload != new.envelope.payload:
        raise BadAgreement(
            "another text is known under this id and version; parties must not sign two texts",
            subject=known.document.id,
        )
    nodes, officials = known.nodes_signed | new.nodes_signed, known.officials_signed | new.officials_signed
    return replace(
        known,
        envelope=known.envelope.joined(new.envelope),
        signed_by=signed_parties(known.document, nodes, officials),
        nodes_signed=nodes,
        officials_signed=officials,
    )


def check_amendment(earlier: Agreement | None, document: Document) -> None:
    """Refuse a version that does not follow from the one before it.

    Raises:
        BadAgreement: the version before is unknown here or has another hash.
    """
    if document.version == 1:
        return
    if earlier is None or earlier.reference.hash != document.previous_hash:
        raise BadAgreement("the version before this one is unknown here, or has another hash", subject=document.id)
