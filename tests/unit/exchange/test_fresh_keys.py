"""What is sent is signed and sealed with keys that count: new cards travel, old frames are made anew."""

from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from mithaq.exchange.receiving.service import Receiving
from mithaq.kernel.ids import NationId
from mithaq.kernel.keystore import Keys
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.signing import BadSignature
from mithaq.nations.keys import rules, store
from mithaq.nations.keys.card_file import with_statements
from mithaq.nations.keys.errors import KeysExpired
from mithaq.nations.keys.model import Revocation, Signed
from mithaq.nations.signer import LocalSigner
from tests.country import Country, alliance, deliver, fetch
from tests.world import XA, XB, Treaty, bare_card, first_statement, keys_of, online_of, root_of, signed_statement

DAY = timedelta(days=1)


@pytest.fixture
def pair(tmp_path: Path, at: datetime) -> list[Country]:
    treaty = Treaty(at, (XA, XB), days=90)
    countries = alliance(tmp_path, (XA, XB), at, treaty)
    countries[0].order(treaty, at)
    return countries


def resealed(keys: Keys) -> Keys:
    """The same keys with another sealing key."""
    return msgspec.structs.replace(keys, open_keys=Keys.generate().open_keys)


def test_a_frame_sealed_to_a_sub_key_that_died_is_made_anew_under_the_next_number(
    pair: list[Country], at: datetime
) -> None:
    sender, recipient = pair
    object_id = sender.add(1, at)
    (kept,) = fetch(sender, recipient, at)
    keys, later = resealed(keys_of(XB)), at + 15 * DAY
    first = first_statement(XB, at)
    sender.context.partners.add(
        with_statements(bare_card(XB, later, first, keys=keys), [first.envelope]), at=later, actor="p"
    )
    assert isinstance(recipient.context.signer, LocalSigner)
    recipient.context.signer.use(keys)
    (void,) = fetch(sender, recipient, later)
    assert void.header.sequence == kept.header.sequence
    assert void.header.key_id == keys.opening[0].seal_key.key_id != kept.header.key_id
    assert deliver(sender, recipient, later) == ["void"]
    assert deliver(sender, recipient, later) == ["admitted"]
    assert recipient.held(object_id)


def test_a_frame_sealed_to_a_younger_sub_key_is_repeated_as_it_is(pair: list[Country], at: datetime) -> None:
    sender, recipient = pair
    sender.add(1, at)
    (kept,) = fetch(sender, recipient, at)
    first, later = first_statement(XB, at), at + 8 * DAY
    card = bare_card(XB, later, first, keys=resealed(keys_of(XB)))
    sender.context.partners.add(with_statements(card, [first.envelope]), at=later, actor="p")
    assert fetch(sender, recipient, later) == [kept]
    assert deliver(sender, recipient, later) == ["admitted"]


def test_after_a_rotation_of_the_own_key_an_undelivered_release_and_withdrawal_are_signed_anew(
    pair: list[Country], at: datetime
) -> None:
    sender, recipient = pair
    first_id = sender.add(1, at)
    assert deliver(sender, recipient, at) == ["admitted"]
    with sender.db.write(at) as tx:
        sender.context.holdings.withdraw(tx, first_id, ACTUAL, XA, "mistaken")
    sender.plan(at)
    fetch(sender, recipient, at)
    keys, later = Keys.generate(), at + DAY
    row = rotated(XA, keys, at, later)
    with sender.db.write(later) as tx:
        store.append(tx, XA, row)
    assert isinstance(sender.context.signer, LocalSigner)
    sender.context.signer.use(keys)
    with pytest.raises(BadSignature):
        deliver(sender, recipient, later)
    files = with_statements(bare_card(XA, later, row[0], keys=keys), [each.envelope for each in row])
    recipient.context.partners.add(files, at=later, actor="nation:XA")
    assert deliver(sender, recipient, later) == ["void"]
    assert deliver(sender, recipient, later) == ["withdrawn"]


def rotated(
    nation: NationId, keys: Keys, at: datetime, later: datetime, *, compromised_at: datetime | None = None
) -> list[Signed]:
    """A nation's first statement and the one that brings new keys."""
    first = first_statement(nation, at)
    revoked = [Revocation(keys_of(nation).signing.verify_key.key_id, compromised_at)] if compromised_at else []
    official = root_of(nation)
    made = rules.draft(
        first, nation=nation, roots=[official.root], threshold=1, online=online_of(keys), revoked=revoked, at=later,
        expires_at=later + 90 * DAY,
    )  # fmt: skip
    return [first, signed_statement(made, official)]


def test_nothing_a_revoked_key_signs_is_taken_before_the_new_card_comes(pair: list[Country], at: datetime) -> None:
    sender, recipient = pair
    sender.add(1, at)
    (frame,) = fetch(sender, recipient, at)
    row = rotated(XA, Keys.generate(), at, at + DAY, compromised_at=at)
    recipient.context.partners.take_statements(XA, [row[1].envelope], at=at + DAY, actor="by file")
    with pytest.raises(KeysExpired, match="XA"):
        Receiving(recipient.context).take(XA, frame, at + DAY)
    assert Receiving(recipient.context).cursor(XA) == 0
