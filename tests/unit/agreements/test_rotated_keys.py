"""An agreement outlives the key it was signed with, unless that key was stolen before the agreement was here."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from mithaq.agreements.model import State
from mithaq.agreements.service import Agreements
from mithaq.kernel.database import Database
from mithaq.kernel.keystore import Keys
from mithaq.nations.keys import rules
from mithaq.nations.keys.card_file import with_statements
from mithaq.nations.keys.model import Revocation
from mithaq.nations.service import Partners
from tests.world import (
    XA,
    XB,
    Treaty,
    bare_card,
    card_of,
    first_statement,
    keys_of,
    online_of,
    root_of,
    signed_statement,
)

DAY = timedelta(days=1)
NEW_KEYS = Keys.generate()


@pytest.fixture
def partners(db: Database, at: datetime) -> Partners:
    partners = Partners(db, XA)
    partner = partners.add(card_of(XB, at), at=at, actor="p")
    partners.confirm(XB, partner.card.fingerprint, at=at, actor="p")
    return partners


@pytest.fixture
def agreements(db: Database, partners: Partners) -> Agreements:
    return Agreements(db, XA, keys_of(XA).signing.verify_key, partners)


def rotate(partners: Partners, at: datetime, later: datetime, *, compromised_at: datetime | None = None) -> None:
    """XB's officials say that its node signs with another key, and perhaps that the earlier one is stolen."""
    first, official = first_statement(XB, at), root_of(XB)
    revoked = [Revocation(keys_of(XB).signing.verify_key.key_id, compromised_at)] if compromised_at else []
    made = rules.draft(
        first, nation=XB, roots=[official.root], threshold=1, online=online_of(NEW_KEYS), revoked=revoked, at=later,
        expires_at=later + 90 * DAY,
    )  # fmt: skip
    second = signed_statement(made, official)
    card = bare_card(XB, later, first, keys=NEW_KEYS)
    files = with_statements(card, [first.envelope, second.envelope])
    assert partners.add(files, at=later, actor="nation:XB").is_trusted


def state(agreements: Agreements, treaty: Treaty, db: Database, at: datetime) -> State:
    with db.read() as connection:
        return agreements.get(connection, treaty.agreement_id).state(at)


def test_an_agreement_stays_in_force_when_a_partys_key_is_rotated(
    agreements: Agreements, partners: Partners, db: Database, at: datetime
) -> None:
    treaty = Treaty(at, (XA, XB))
    agreements.receive(treaty.envelope.encode(), at=at, actor="p")
    rotate(partners, at, at + DAY)
    assert state(agreements, treaty, db, at + DAY) is State.IN_FORCE


@pytest.mark.parametrize(
    ("stolen", "expected"), [(timedelta(hours=1), State.IN_FORCE), (-timedelta(hours=1), State.PARTLY_SIGNED)]
)
def test_a_stolen_keys_signature_counts_where_it_was_here_before_the_theft(
    agreements: Agreements, partners: Partners, db: Database, at: datetime, stolen: timedelta, expected: State
) -> None:
    treaty = Treaty(at, (XA, XB))
    agreements.receive(treaty.envelope.encode(), at=at, actor="p")
    rotate(partners, at, at + DAY, compromised_at=at + stolen)
    assert state(agreements, treaty, db, at + DAY) is expected


def test_what_a_thief_signs_later_never_counts_whatever_date_is_inside(
    agreements: Agreements, partners: Partners, db: Database, at: datetime
) -> None:
    treaty = Treaty(at - 20 * DAY, (XA, XB), days=60)
    agreements.receive(replace(treaty, signers=(XA,)).envelope.encode(), at=at, actor="p")
    rotate(partners, at, at + DAY, compromised_at=at)
    agreements.receive(replace(treaty, signers=(XB,)).envelope.encode(), at=at + 2 * DAY, actor="p")
    assert state(agreements, treaty, db, at + 2 * DAY) is State.PARTLY_SIGNED
