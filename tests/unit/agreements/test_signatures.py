"""Officials' signatures: k of n, with an offline key or with a passkey over exactly this text."""

import base64
import json
from dataclasses import dataclass, field, replace
from datetime import datetime

import cbor2
import msgspec
import pytest
from webauthn.helpers import bytes_to_base64url

from mithaq.agreements.errors import BadAgreement
from mithaq.agreements.model import (
    AGREEMENT_TYPE,
    Agreement,
    Document,
    HybridKey,
    Official,
    Passkey,
    Signatories,
    State,
)
from mithaq.agreements.rules import agreement_of, joined, payload_of, read_document, refuse_unheld_signatures
from mithaq.agreements.signatures import assertion_signature, challenge_of, hybrid_key
from mithaq.kernel.signing import BadSignature, Envelope, SigningKey, read_envelope, sign_with
from tests.authenticator import Authenticator
from tests.world import XA, XB, XC, Treaty, keys_of

ORIGIN = "https://cert.example"
MINISTER, DIRECTOR = SigningKey.generate(), SigningKey.generate()


def cose_of(device: Authenticator) -> bytes:
    numbers = device.key.public_key().public_numbers()
    return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})


@dataclass
class Signing:
    """A treaty of three, in which two of three officials sign for XA."""

    at: datetime
    device: Authenticator = field(default_factory=Authenticator)
    party: str = "cert.example"

    @property
    def document(self) -> Document:
        officials = [
            Official("minister", "Amina Ould", "Minister", hybrid_key(MINISTER.verify_key)),
            Official("director", "Karim Sow", "Director", hybrid_key(DIRECTOR.verify_key)),
            Official(
                "chief", "Salma Ba", "Chief", Passkey(base64.b64encode(cose_of(self.device)).decode(), self.party)
            ),
        ]
        document = Treaty(self.at).document
        own = msgspec.structs.replace(document.parties[0], signatories=Signatories(2, officials))
        return msgspec.structs.replace(document, parties=[own, *document.parties[1:]])

    def by(self, *keys: SigningKey) -> Envelope:
        payload = payload_of(self.document)
        whole = Envelope(AGREEMENT_TYPE, payload, ())
        for key in keys:
            whole = whole.joined(read_envelope(sign_with(key, AGREEMENT_TYPE, payload)))
        return whole

    def by_passkey(
        self, *, origin: str = ORIGIN, rp_id: str = "", challenge: bytes = b"", device: Authenticator | None = None
    ) -> Envelope:
        envelope = self.by()
        options = {"rpId": rp_id or self.party, "challenge": bytes_to_base64url(challenge or challenge_of(envelope))}
        answer = (device or self.device).get(json.dumps(options), origin)
        return replace(envelope, signatures=(assertion_signature(cose_of(self.device), answer),))

    def read(self, *envelopes: Envelope) -> Agreement:
        whole = self.by()
        for each in envelopes:
            whole = whole.joined(each)
        return agreement_of(whole, KEYS)


NODES = tuple(keys_of(nation).signing for nation in (XA, XB, XC))
KEYS = {nation: keys_of(nation).signing.verify_key for nation in (XA, XB, XC)}


def test_a_party_has_signed_once_its_node_and_enough_officials_have(at: datetime) -> None:
    signing = Signing(at)
    none = signing.read(signing.by(*NODES))
    assert (none.signed_by, none.nodes_signed, none.officials_of("XA")) == ({XB, XC}, {XA, XB, XC}, (0, 2))
    half = signing.read(signing.by(*NODES, MINISTER))
    assert (half.state(at), half.officials_of("XA"), half.officials_of("XB")) == (State.PARTLY_SIGNED, (1, 2), (0, 0))
    whole = signing.read(signing.by(*NODES, MINISTER), signing.by_passkey())
    assert (whole.state(at), whole.officials_of("XA")) == (State.IN_FORCE, (2, 2))


def test_officials_alone_do_not_bind_a_nation(at: datetime) -> None:
    signing = Signing(at)
    assert signing.read(signing.by(*NODES[1:], MINISTER, DIRECTOR), signing.by_passkey()).missing == {XA}


def test_copies_with_one_official_each_join_to_a_signed_party(at: datetime) -> None:
    signing = Signing(at)
    one, other = signing.read(signing.by(*NODES, MINISTER)), signing.read(signing.by(DIRECTOR))
    assert joined(one, other).state(at) is State.IN_FORCE
    assert joined(one, one).officials_of("XA") == (1, 2)


@pytest.mark.parametrize(
    "twist",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://cert.example"},
        {"origin": "https://notcert.example"},
        {"rp_id": "evil.example"},
        {"challenge": b"another text, of thirty-two byte"},
        {"device": Authenticator()},
    ],
    ids=["origin", "plain-http", "alike", "relying-party", "other-text", "other-device"],
)
def test_a_passkeys_answer_that_is_not_over_this_text_here_is_refused_by_name(
    at: datetime, twist: dict[str, object]
) -> None:
    signing = Signing(at)
    shown = signing.read(signing.by(*NODES, MINISTER), signing.by_passkey(**twist))  # type: ignore[arg-type]
    assert shown.officials_of("XA") == (1, 2)
    with pytest.raises(BadAgreement, match="official chief of XA does not hold"):
        refuse_unheld_signatures(shown, KEYS)


def test_a_passkey_without_user_verification_signs_nothing(at: datetime) -> None:
    signing = Signing(at, Authenticator(verifies_user=False))
    assert signing.read(signing.by_passkey()).officials_signed == frozenset()


def test_a_page_below_the_relying_party_may_use_its_passkeys(at: datetime) -> None:
    signing = Signing(at)
    assert signing.read(signing.by_passkey(origin="https://node.cert.example")).officials_of("XA") == (1, 2)


def test_half_of_a_hybrid_signature_is_refused_by_name(at: datetime) -> None:
    signing = Signing(at)
    whole = signing.by(MINISTER)
    half = replace(whole, signatures=whole.signatures[:1])
    with pytest.raises(BadAgreement, match="official minister of XA does not hold"):
        refuse_unheld_signatures(signing.read(half), KEYS)


def test_an_assertion_with_anything_besides_its_three_parts_is_refused(at: datetime) -> None:
    signing = Signing(at)
    ((key_id, sig),) = signing.by_passkey().signatures
    for changed in (b"{}", b"[]", sig.replace(b"{", b'{"a":1,', 1), sig[:-1] + b" }", b"\xff"):
        shown = replace(signing.by(), signatures=((key_id, changed),))
        assert signing.read(shown).officials_signed == frozenset()
    with pytest.raises(BadSignature):
        assertion_signature(b"", {"response": {"signature": 1}})


def test_the_signature_of_an_official_of_another_agreement_is_refused(at: datetime) -> None:
    signing = Signing(at)
    with pytest.raises(BadAgreement, match="no party"):
        signing.read(signing.by(SigningKey.generate()))


def test_one_key_is_one_official_and_every_key_is_usable(at: datetime) -> None:
    document = Signing(at).document

    def read_with(*officials: Official) -> None:
        own = msgspec.structs.replace(document.parties[0], signatories=Signatories(1, list(officials)))
        read_document(payload_of(msgspec.structs.replace(document, parties=[own, *document.parties[1:]])))

    good = hybrid_key(MINISTER.verify_key)
    with pytest.raises(BadAgreement, match="named twice"):
        read_with(Official("a", "A", "x", good), Official("b", "B", "y", good))
    with pytest.raises(BadAgreement, match="named twice"):
        read_with(Official("a", "A", "x", hybrid_key(keys_of(XB).signing.verify_key)))
    for bad in (HybridKey("AAAA", "BBBB"), Passkey("AAAA", "cert.example")):
        with pytest.raises(BadAgreement, match="no usable key"):
            read_with(Official("a", "A", "x", bad))
