from datetime import datetime, timedelta

import pytest

from mithaq.kernel import canonical
from mithaq.kernel.database import Database
from mithaq.kernel.keystore import Keys
from mithaq.kernel.signing import read_envelope, sign_with
from mithaq.nations.errors import BadCard, FingerprintDiffers, KeyChanged, UnknownPartner
from mithaq.nations.model import CARD_TYPE, Standing
from mithaq.nations.rules import read_card
from mithaq.nations.service import Partners
from tests.world import XA, XB, card_of, keys_of


def test_a_card_gives_forty_digits_to_compare_by_voice(at: datetime) -> None:
    fingerprint = read_card(card_of(XB, at), at).fingerprint
    assert [len(group) for group in fingerprint.split()] == [5] * 8
    assert fingerprint.replace(" ", "").isdecimal()
    assert read_card(card_of(XB, at, address="http://[::1]:8000"), at).fingerprint == fingerprint


def test_a_partner_is_trusted_only_after_its_fingerprint_was_compared(db: Database, at: datetime) -> None:
    partners = Partners(db, XA)
    partner = partners.add(card_of(XB, at), at=at, actor="person--1")
    assert partner.standing is Standing.PENDING
    with pytest.raises(FingerprintDiffers):
        partners.confirm(XB, "00000 " * 8, at=at, actor="person--1")
    arabic = partner.card.fingerprint.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    assert partners.confirm(XB, arabic, at=at, actor="person--1").is_trusted
    renewed = partners.add(card_of(XB, at + timedelta(hours=1), address="http://127.0.0.1:7"), at=at, actor="p")
    assert renewed.is_trusted
    with db.read() as connection:
        assert partners.get(connection, XB).card.addresses == ("http://127.0.0.1:7",)


def test_a_card_whose_key_changed_is_refused_and_the_known_one_stays(db: Database, at: datetime) -> None:
    partners = Partners(db, XA)
    partners.add(card_of(XB, at), at=at, actor="p")
    with pytest.raises(KeyChanged, match="XB"):
        partners.add(card_of(XB, at + timedelta(days=1), keys=Keys.generate()), at=at, actor="p")
    with pytest.raises(BadCard, match="older"):
        partners.add(card_of(XB, at - timedelta(days=1)), at=at, actor="p")
    with db.read() as connection:
        assert partners.get(connection, XB).card.verify_key == keys_of(XB).signing.verify_key


def test_own_cards_and_unknown_nations_are_refused(db: Database, at: datetime) -> None:
    partners = Partners(db, XA)
    with pytest.raises(BadCard, match="own card"):
        partners.add(card_of(XA, at), at=at, actor="p")
    with db.read() as connection, pytest.raises(UnknownPartner, match="XB"):
        partners.get(connection, XB)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"format_version": 2}, "newer"),
        ({"nation": "xb"}, "two capital letters"),
        ({"addresses": ["javascript:alert(1)"]}, "http"),
        ({"keys": {}}, "missing"),
        ({"names": "B"}, "missing or malformed"),
        ({"expires_at": "2020-01-01T00:00:00.000Z"}, "expired"),
        ({"expires_at": "soon"}, "malformed"),
    ],
)
def test_a_malformed_card_says_what_is_wrong(at: datetime, change: dict[str, object], word: str) -> None:
    value = canonical.loads(read_envelope(card_of(XB, at)).payload) | change
    data = sign_with(keys_of(XB).signing, CARD_TYPE, canonical.dumps(value))
    with pytest.raises(BadCard, match=word):
        read_card(data, at)


@pytest.mark.parametrize(
    ("use", "keys"),
    [
        ("log", {"ed25519": "AAAA"}),
        ("witness", {"ed25519": "AAAA", "ml-dsa-44": "AAAA"}),
        ("witness", {}),
        ("log", None),
    ],
)
def test_a_card_without_a_usable_key_for_each_use_is_refused(at: datetime, use: str, keys: object) -> None:
    value = canonical.loads(read_envelope(card_of(XB, at)).payload)
    value["keys"][use] = keys
    with pytest.raises(BadCard, match="missing or malformed"):
        read_card(sign_with(keys_of(XB).signing, CARD_TYPE, canonical.dumps(value)), at)


def test_a_card_with_one_key_for_two_uses_is_refused(at: datetime) -> None:
    value = canonical.loads(read_envelope(card_of(XB, at)).payload)
    value["keys"]["log"]["ed25519"] = value["keys"]["signing"]["ed25519"]
    with pytest.raises(BadCard, match="two uses"):
        read_card(sign_with(keys_of(XB).signing, CARD_TYPE, canonical.dumps(value)), at)


def test_a_card_signed_by_another_key_is_refused(at: datetime) -> None:
    payload = read_envelope(card_of(XB, at)).payload
    with pytest.raises(BadCard, match="not signed by the key it carries"):
        read_card(sign_with(keys_of(XA).signing, CARD_TYPE, payload), at)
    with pytest.raises(BadCard, match="broken JSON"):
        read_card(b"{", at)
