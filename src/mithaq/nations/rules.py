"""Pure decisions about cards."""

import base64
import re
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from mithaq.kernel import canonical
from mithaq.kernel.clock import from_rfc3339, rfc3339
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.sealing import SealKey
from mithaq.kernel.signing import Envelope, VerifyKey, read_envelope
from mithaq.nations.errors import BadCard, FingerprintDiffers, KeyChanged
from mithaq.nations.model import CARD_FORMAT, CARD_TYPE, Card, OnlineKeys

_CODE = re.compile(r"[A-Z]{2}")
MAX_CARD_BYTES = 64 * 1024
MAX_CARD_FILE_BYTES = 8 * 1024 * 1024
"""A card's file: the card, and beside it the row of key statements that authorises its keys."""


def nation_code(text: str) -> NationId:
    """Read a nation's code.

    Raises:
        BadCard: it is not two capital letters (ISO 3166 alpha-2, or a user-assigned code).
    """
    if not _CODE.fullmatch(text):
        raise BadCard("a nation's code is two capital letters (ISO 3166)", subject=text[:40])
    return NationId(text)


def card_payload(card: Card) -> bytes:
    """Return the canonical bytes of a card, ready to be signed by its own key."""
    return canonical.dumps(
        {
            "format_version": CARD_FORMAT,
            "nation": card.nation,
            "names": card.names,
            "keys": {**online_keys_json(card.online_keys), "sealing": card.seal_key.as_json()},
            "sealing_expires_at": rfc3339(card.seal_expires_at),
            "root_hash": card.root_hash,
            "addresses": list(card.addresses),
            "contact": card.contact,
            "issued_at": rfc3339(card.issued_at),
            "expires_at": rfc3339(card.expires_at),
        }
    )


def read_card(data: bytes, at: datetime) -> Card:
    """Verify a card: strict JSON, signed by the key it carries, valid now.

    Whether the root officials authorised that key is not judged here; `Partners.add` does.

    Raises:
        BadCard: names the nation, where it could be read, and the rule that was broken.
    """
    try:
        envelope = read_envelope(data, subject="card", max_bytes=MAX_CARD_FILE_BYTES)
        if envelope.payload_type != CARD_TYPE:
            raise BadCard("this is no nation's card", subject="card")
        card = _card(canonical.loads_canonical(envelope.payload, max_bytes=MAX_CARD_BYTES, subject="card"))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadCard("a field of the card is missing or malformed: %(detail)s", detail=str(error)[:80]) from error
    except BadCard:
        raise
    except Error as error:
        raise BadCard(error.message, subject="card", private=error.private, **error.params) from error
    _refuse_unsigned(envelope, card)
    if at >= card.expires_at:
        raise BadCard("the card expired on %(when)s", subject=card.nation, when=rfc3339(card.expires_at))
    return card


def card_of_payload(envelope: Envelope) -> Card:
    """Read a card whatever its age: signed by the key it carries, for what was said while it was valid.

    Raises:
        BadCard, BadJson: it is none.
    """
    if envelope.payload_type != CARD_TYPE:
        raise BadCard("this is no nation's card", subject="card")
    try:
        card = _card(canonical.loads_canonical(envelope.payload, max_bytes=MAX_CARD_BYTES, subject="card"))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadCard("a field of the card is missing or malformed: %(detail)s", detail=str(error)[:80]) from error
    _refuse_unsigned(envelope, card)
    return card


def _refuse_unsigned(envelope: Envelope, card: Card) -> None:
    if not envelope.holds_for(card.verify_key):
        raise BadCard("the card is not signed by the key it carries", subject=card.nation)


def _card(value: dict[str, Any]) -> Card:
    if value["format_version"] != CARD_FORMAT:
        raise BadCard("card format %(found)s is newer than this node reads", found=str(value["format_version"])[:20])
    online = read_online_keys(value["keys"])
    return Card(
        nation=nation_code(value["nation"]),
        names={str(language): str(name) for language, name in value["names"].items()},
        verify_key=online.verify_key,
        seal_key=SealKey.of_json(value["keys"]["sealing"]),
        log_key=online.log_key,
        witness_ed25519=online.witness_ed25519,
        witness_mldsa44=online.witness_mldsa44,
        addresses=tuple(_address(each) for each in value["addresses"]),
        contact=str(value["contact"]),
        issued_at=from_rfc3339(value["issued_at"]),
        expires_at=from_rfc3339(value["expires_at"]),
        root_hash=_sha256(value["root_hash"]),
        seal_expires_at=from_rfc3339(value["sealing_expires_at"]),
    )


def _sha256(text: Any) -> str:
    if not isinstance(text, str) or not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError("no SHA-256")
    return text


def online_keys_json(keys: OnlineKeys) -> dict[str, dict[str, str]]:
    """Return the keys of a running node as JSON values, by use."""
    return {
        "signing": keys.verify_key.as_json(),
        "log": {"ed25519": _b64(keys.log_key)},
        "witness": {"ed25519": _b64(keys.witness_ed25519), "ml-dsa-44": _b64(keys.witness_mldsa44)},
    }


def read_online_keys(value: dict[str, Any]) -> OnlineKeys:
    """Read the keys of a running node from their JSON values, by use.

    Raises:
        BadSignature: the signing key is unusable.
        KeyError, TypeError, ValueError: another key is missing, unusable, or serves two uses.
    """
    keys = OnlineKeys(
        VerifyKey.of_json(value["signing"]),
        base64.b64decode(value["log"]["ed25519"], validate=True),
        base64.b64decode(value["witness"]["ed25519"], validate=True),
        base64.b64decode(value["witness"]["ml-dsa-44"], validate=True),
    )
    ed25519 = (keys.verify_key.ed25519, keys.log_key, keys.witness_ed25519)
    for each in ed25519:
        Ed25519PublicKey.from_public_bytes(each)
    MLDSA44PublicKey.from_public_bytes(keys.witness_mldsa44)
    if len(set(ed25519)) != len(ed25519):
        raise ValueError("one key for two uses")
    return keys


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _address(text: Any) -> str:
    if not isinstance(text, str) or not re.fullmatch(r"https?://[\w.\-\[\]:]{1,253}/?", text, re.ASCII):
        raise BadCard("an address is http(s)://host:port", subject=str(text)[:80])
    return text.rstrip("/")


def check_successor(known: Card, new: Card) -> None:
    """Refuse a card that may not take a known card's place.

    Raises:
        KeyChanged: it stands on other root officials than those whose fingerprint was compared.
        BadCard: the new card is older than the known one.
    """
    if new.root_hash != known.root_hash:
        raise keys_changed(new.nation)
    if new.issued_at < known.issued_at:
        raise BadCard("the card is older than the one known here", subject=new.nation)


def keys_changed(nation: NationId) -> KeyChanged:
    """Return the refusal of keys that nobody who was compared by voice has authorised."""
    return KeyChanged(
        "the card carries keys that its known root officials did not authorise; nothing was changed. "
        "Call the partner; only where its officials have lost their keys, remove and add it anew",
        subject=nation,
    )


def check_fingerprint(card: Card, digits: str) -> None:
    """Compare the digits somebody read out with the card's, ignoring spaces and the script of the digits.

    Raises:
        FingerprintDiffers: they differ.
    """
    spoken = "".join(str(int(char)) for char in digits if char.isdecimal())
    if spoken != card.fingerprint.replace(" ", ""):
        raise FingerprintDiffers("the fingerprint differs: do not trust this card", subject=card.nation)
