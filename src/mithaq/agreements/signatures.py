"""Who has really signed: a party's node, and as many of its officials as it asks for.

An official signs with a hybrid key kept away from the node, like a node does, or with a passkey: a WebAuthn assertion
whose challenge is the SHA-256 of DSSE's pre-authentication encoding of the document, so that it is over this text and
no other. In the envelope the assertion stands under `webauthn:<SHA-256 of the COSE key>` as canonical JSON.

Source: DSSE v1.0; Web Authentication Level 2 §7.2 (verifying an assertion), §6.5.1 (COSE keys). Left out of §7.2: step
6 (the credential is named by its key, not by an id), step 21 (a counter means nothing for a signature that is kept).
"""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mithaq.agreements.errors import BadAgreement
from mithaq.agreements.model import Document, HybridKey, Official, Passkey
from mithaq.kernel import canonical
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import BadSignature, Envelope, VerifyKey, pae

_PARTS = ("authenticatorData", "clientDataJSON", "signature")
_MAX_ASSERTION_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Signatory:
    """An official of one party."""

    nation: NationId
    official: Official

    @property
    def key_id(self) -> str:
        """Return the SHA-256 of the official's public key, in hexadecimal."""
        key = self.official.key
        if isinstance(key, HybridKey):
            return verify_key(key).key_id
        return hashlib.sha256(cose_of(key)).hexdigest()


def verify_key(key: HybridKey) -> VerifyKey:
    """Read an official's hybrid key.

    Raises:
        BadSignature: a half has the wrong length or is no key.
    """
    return VerifyKey.of_json({"ed25519": key.ed25519, "ml-dsa-65": key.ml_dsa_65})


def hybrid_key(key: VerifyKey) -> HybridKey:
    """Write a hybrid key as an agreement names it."""
    values = key.as_json()
    return HybridKey(values["ed25519"], values["ml-dsa-65"])


def cose_of(key: Passkey) -> bytes:
    """Return a passkey's COSE bytes.

    Raises:
        BadSignature: they are no base64, or no key that signatures can be checked with.
    """
    import webauthn
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        cose = base64.b64decode(key.cose, validate=True)
        webauthn.helpers.decode_credential_public_key(cose)
    except (ValueError, KeyError, TypeError, WebAuthnException) as error:
        raise BadSignature("no usable passkey", private=str(error)) from error
    return cose


def signatories(document: Document) -> Iterator[Signatory]:
    """Yield the officials of all parties."""
    for party in document.parties:
        for official in party.signatories.officials if party.signatories else ():
            yield Signatory(NationId(party.nation), official)


def check_officials(document: Document) -> None:
    """Refuse officials without a usable key, and one key under two names.

    Raises:
        BadAgreement: names the nation and the official.
    """
    taken = {party.key_id for party in document.parties}
    for each in signatories(document):
        try:
            key_id = each.key_id
        except BadSignature as error:
            raise BadAgreement(
                "the official %(official)s of %(nation)s has no usable key",
                subject=document.id,
                official=each.official.id,
                nation=each.nation,
            ) from error
        if key_id in taken:
            raise BadAgreement(
                "the key of the official %(official)s of %(nation)s is named twice",
                subject=document.id,
                official=each.official.id,
                nation=each.nation,
            )
        taken.add(key_id)


def challenge_of(envelope: Envelope) -> bytes:
    """Return what a passkey signs: the SHA-256 of the document as DSSE encodes it."""
    return hashlib.sha256(pae(envelope.payload_type, envelope.payload)).digest()


def assertion_signature(cose: bytes, credential: dict[str, Any]) -> tuple[str, bytes]:
    """Return the entry of an envelope for a browser's answer; nothing is verified yet.

    Raises:
        BadSignature: the answer lacks a part, or a part is no base64url.
    """
    from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

    try:
        parts = {name: str(credential["response"][name]) for name in _PARTS}
        plain = {name: bytes_to_base64url(base64url_to_bytes(value)) for name, value in parts.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise BadSignature("the passkey's answer does not verify", private=str(error)) from error
    return f"webauthn:{hashlib.sha256(cose).hexdigest()}", canonical.dumps(plain)


def shown_by(envelope: Envelope, signatory: Signatory) -> bool:
    """Tell whether an envelope shows a signature of an official, be it good or bad."""
    return signatory.key_id in {key_id.partition(":")[2] for key_id, _ in envelope.signatures}


def holds_for(envelope: Envelope, signatory: Signatory) -> bool:
    """Tell whether an official signed exactly this document."""
    key = signatory.official.key
    if isinstance(key, HybridKey):
        return envelope.holds_for(verify_key(key))
    sig = dict(envelope.signatures).get(f"webauthn:{signatory.key_id}")
    return sig is not None and _assertion_holds(sig, key, challenge_of(envelope))


def _assertion_holds(sig: bytes, key: Passkey, challenge: bytes) -> bool:
    import webauthn
    from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        parts = canonical.loads_canonical(sig, max_bytes=_MAX_ASSERTION_BYTES, subject="assertion")
        client = canonical.loads(
            base64url_to_bytes(parts["clientDataJSON"]), max_bytes=_MAX_ASSERTION_BYTES, subject=""
        )
        origin = str(client["origin"])
        if set(parts) != set(_PARTS) or not _is_origin_of(origin, key.relying_party):
            return False
        name = bytes_to_base64url(challenge)
        webauthn.verify_authentication_response(
            credential={"id": name, "rawId": name, "type": "public-key", "response": parts},
            expected_challenge=challenge,
            expected_rp_id=key.relying_party,
            expected_origin=origin,
            credential_public_key=cose_of(key),
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except (Error, WebAuthnException, KeyError, TypeError, ValueError):
        return False
    return True


def _is_origin_of(origin: str, relying_party: str) -> bool:
    """Tell whether a page of this origin may use the relying party's passkeys (WebAuthn §5.1.3, step 7)."""
    parts = urlsplit(origin)
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and host == "localhost"):
        return False
    return host == relying_party or host.endswith(f".{relying_party}")


def officials_signed(document: Document, envelope: Envelope) -> frozenset[tuple[NationId, str]]:
    """Return the officials, by nation and id, whose signatures hold."""
    return frozenset(
        (each.nation, each.official.id)
        for each in signatories(document)
        if shown_by(envelope, each) and holds_for(envelope, each)
    )


def signed_parties(
    document: Document, nodes: frozenset[NationId], officials: frozenset[tuple[NationId, str]]
) -> frozenset[NationId]:
    """Return the parties that have signed: their node, and as many of their officials as the agreement asks for."""
    return frozenset(
        NationId(party.nation)
        for party in document.parties
        if party.nation in nodes
        and sum(nation == party.nation for nation, _ in officials)
        >= (party.signatories.threshold if party.signatories else 0)
    )


def refuse_unheld_officials(document: Document, envelope: Envelope) -> None:
    """Refuse a document that shows an official's signature which does not hold.

    Raises:
        BadAgreement: names the official.
    """
    for each in signatories(document):
        if shown_by(envelope, each) and not holds_for(envelope, each):
            raise BadAgreement(
                "the signature of the official %(official)s of %(nation)s does not hold",
                subject=document.id,
                official=each.official.id,
                nation=each.nation,
            )
