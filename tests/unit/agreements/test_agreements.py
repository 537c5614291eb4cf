from dataclasses import replace
from datetime import datetime, timedelta

import msgspec
import pytest

from mithaq.agreements.errors import BadAgreement, NotAParty, UnknownAgreement
from mithaq.agreements.model import AGREEMENT_TYPE, Document, State
from mithaq.agreements.rules import payload_of, read_document
from mithaq.agreements.service import Agreements
from mithaq.agreements.term_rules import TERMS
from mithaq.agreements.terms import Terms
from mithaq.kernel import canonical
from mithaq.kernel.canonical import BadJson
from mithaq.kernel.database import Database
from mithaq.kernel.signing import sign_with
from mithaq.nations.service import Partners
from tests.world import XA, XB, XC, XD, Treaty, card_of, keys_of, signer_of


@pytest.fixture
def agreements(db: Database, at: datetime) -> Agreements:
    partners = Partners(db, XA)
    for nation in (XB, XC):
        partner = partners.add(card_of(nation, at), at=at, actor="p")
        partners.confirm(nation, partner.card.fingerprint, at=at, actor="p")
    return Agreements(db, XA, keys_of(XA).signing.verify_key, partners)


def test_an_agreement_is_in_force_only_when_every_party_has_signed(agreements: Agreements, at: datetime) -> None:
    treaty = Treaty(at)
    agreement = agreements.propose(treaty.document, signer_of(XA), at=at, actor="p")
    assert (agreement.state(at), agreement.missing) == (State.PARTLY_SIGNED, {XB, XC})
    agreement = agreements.receive(replace(treaty, signers=(XB,)).envelope.encode(), at=at, actor="p")
    assert agreement.missing == {XC}
    agreement = agreements.receive(replace(treaty, signers=(XC,)).envelope.encode(), at=at, actor="p")
    assert agreement.state(at) is State.IN_FORCE
    assert agreement.state(at - timedelta(days=2)) is State.NOT_YET_IN_FORCE
    assert agreement.state(at + timedelta(days=31)) is State.EXPIRED


def test_suspension_by_this_nation_is_immediate_and_can_end(agreements: Agreements, db: Database, at: datetime) -> None:
    reference = agreements.receive(Treaty(at).envelope.encode(), at=at, actor="p").reference
    assert agreements.set_suspended(reference.id, True, at=at, actor="p").state(at) is State.SUSPENDED
    with db.read() as connection:
        assert agreements.current(connection, at) == []
    assert agreements.set_suspended(reference.id, False, at=at, actor="p").state(at) is State.IN_FORCE


def test_two_texts_under_one_id_and_version_are_refused(agreements: Agreements, db: Database, at: datetime) -> None:
    agreements.receive(Treaty(at).envelope.encode(), at=at, actor="p")
    wider = msgspec.structs.replace(Treaty(at).terms, tlp_ceiling="TLP:RED")
    with pytest.raises(BadAgreement, match="another text"):
        agreements.receive(Treaty(at, terms=wider).envelope.encode(), at=at, actor="p")
    with db.read() as connection:
        assert agreements.get(connection, Treaty(at).agreement_id).document.terms.tlp_ceiling == "TLP:AMBER"


def test_an_amendment_must_follow_from_the_version_before(agreements: Agreements, at: datetime) -> None:
    first = agreements.receive(Treaty(at).envelope.encode(), at=at, actor="p")
    with pytest.raises(BadAgreement, match="another hash"):
        agreements.receive(Treaty(at, version=2, previous_hash="0" * 64).envelope.encode(), at=at, actor="p")
    second = Treaty(at, version=2, previous_hash=first.reference.hash)
    assert agreements.receive(second.envelope.encode(), at=at, actor="p").reference.version == 2


def test_strangers_and_forged_signatures_are_refused_by_name(agreements: Agreements, at: datetime) -> None:
    with pytest.raises(NotAParty):
        agreements.receive(Treaty(at, nations=(XB, XC)).envelope.encode(), at=at, actor="p")
    treaty = Treaty(at, signers=(XA,))
    stranger = treaty.envelope.joined(replace(treaty, nations=(XA, XB, XC), signers=(XD,)).envelope)
    with pytest.raises(BadAgreement, match="no party"):
        agreements.receive(stranger.encode(), at=at, actor="p")
    good = Treaty(at, signers=(XB,)).envelope
    forged = replace(good, signatures=tuple((key, bytes(len(sig))) for key, sig in good.signatures))
    with pytest.raises(BadAgreement, match="XB does not hold"):
        agreements.receive(forged.encode(), at=at, actor="p")
    with pytest.raises(UnknownAgreement):
        agreements.sign(treaty.agreement_id, signer_of(XA), at=at, actor="p")


def document_with(at: datetime, **changes: object) -> bytes:
    return canonical.dumps(msgspec.to_builtins(Treaty(at).document) | changes)


@pytest.mark.parametrize(
    "change",
    [
        {"format_version": 2},
        {"surprise": 1},
        {"version": 0},
        {"parties": []},
        {"not_after": "2026-13-01T00:00:00.000Z"},
        {"not_after": "2020-01-01T00:00:00.000Z"},
        {"previous_hash": "0" * 64},
        {"terms": {"kinds": ["everything"]}},
    ],
)
def test_what_is_not_in_the_vocabulary_is_refused(at: datetime, change: dict[str, object]) -> None:
    with pytest.raises(BadAgreement):
        read_document(document_with(at, **change))


def test_duplicate_keys_in_an_agreement_are_refused(at: datetime) -> None:
    payload = payload_of(Treaty(at).document).replace(b'"tlp_ceiling"', b'"tlp_ceiling":"TLP:RED","tlp_ceiling"')
    with pytest.raises(BadJson, match="twice"):
        read_document(payload)


def test_every_term_has_its_rule_and_its_sentence() -> None:
    assert [rule.name for rule in TERMS] == [field.name for field in msgspec.structs.fields(Terms)]
    assert all(rule.sentence.count("%(value)s") == 1 for rule in TERMS if rule.sentence)
    assert all(bool(rule.clauses or rule.construction) for rule in TERMS if rule.kept_by == "prevent")


def test_a_signature_over_an_agreement_is_over_its_canonical_bytes(at: datetime) -> None:
    document: Document = Treaty(at).document
    pretty = msgspec.json.format(payload_of(document))
    with pytest.raises(BadJson, match="canonical"):
        read_document(pretty)
    assert sign_with(keys_of(XA).signing, AGREEMENT_TYPE, pretty)
