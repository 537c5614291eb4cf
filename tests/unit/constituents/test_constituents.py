"""Constituents and their accounts: who is let in, what is kept, what is written down."""

from datetime import datetime, timedelta

import pytest

from mithaq.kernel import journal
from mithaq.kernel.database import Database
from mithaq.nations.constituents.errors import BadConstituent, UnknownConstituent
from mithaq.nations.constituents.service import Constituents

DAY = timedelta(days=1)


@pytest.fixture
def constituents(db: Database, at: datetime) -> Constituents:
    found = Constituents(db)
    found.add("grid-operator", {"en": "Grid", "ar": "مشغّل الشبكة"}, ["energy"], "soc@grid.example", at)
    found.add("central-bank", {"fr": "Banque centrale"}, [], "soc@bank.example", at)
    return found


def told(db: Database) -> list[tuple[str, str, str]]:
    with db.read() as connection:
        entries = journal.entries(connection, 0, kinds=frozenset({"people.action"}))
    return [(each.detail["action"], each.detail["outcome"], each.detail.get("reason", "")) for each in entries]


def test_a_secret_lets_its_constituent_in_and_nobody_else(constituents: Constituents, at: datetime) -> None:
    account, secret = constituents.add_account("grid-operator", "siem", DAY, at)
    for user in (None, "grid-operator"):
        known = constituents.sign_in(secret, user, at, door="taxii")
        assert known is not None
        assert (known[0].id, known[1].id, known[1].may_write) == ("grid-operator", account.id, False)
    assert constituents.sign_in(secret, "central-bank", at, door="taxii") is None
    assert constituents.sign_in(secret + "x", None, at, door="taxii") is None
    assert constituents.sign_in("", None, at, door="taxii") is None


def test_what_has_ended_lets_nobody_in(constituents: Constituents, at: datetime) -> None:
    account, secret = constituents.add_account("grid-operator", "siem", DAY, at)
    assert constituents.sign_in(secret, None, at + DAY, door="taxii") is None, "it has expired"
    constituents.disable("grid-operator", at)
    assert constituents.sign_in(secret, None, at, door="taxii") is None
    constituents.enable("grid-operator", at)
    assert constituents.sign_in(secret, None, at, door="taxii") is not None
    constituents.revoke(account.id, at)
    assert constituents.sign_in(secret, None, at, door="taxii") is None
    with pytest.raises(UnknownConstituent):
        constituents.revoke(account.id, at)


def test_of_a_secret_only_its_digest_is_kept(constituents: Constituents, db: Database, at: datetime) -> None:
    _, secret = constituents.add_account("grid-operator", "siem", DAY, at)
    with db.read() as connection:
        rows = [*connection.exec_driver_sql("SELECT * FROM constituent_accounts")]
        rows += connection.exec_driver_sql("SELECT * FROM journal")
    assert secret not in repr(rows)
    assert secret.removeprefix("mithaq_") not in repr(rows)


def test_signing_in_is_written_down_after_an_hour_of_silence_and_a_refusal_once_a_minute(
    constituents: Constituents, db: Database, at: datetime
) -> None:
    _, secret = constituents.add_account("grid-operator", "siem", DAY, at)
    before = len(told(db))
    for minutes in (0, 1, 30, 90, 149, 300):
        assert constituents.sign_in(secret, None, at + timedelta(minutes=minutes), door="taxii")
    assert told(db)[before:] == [("constituent.sign-in", "done", "")] * 3
    before = len(told(db))
    for seconds in (0, 1, 59, 60, 61):
        assert constituents.sign_in(secret, "central-bank", at + timedelta(seconds=seconds), door="taxii") is None
    assert told(db)[before:] == [("constituent.sign-in", "refused", "account-of-another")] * 2
    (account,) = constituents.accounts("grid-operator")
    assert account.used_at == at + timedelta(minutes=300)


@pytest.mark.parametrize(
    ("constituent_id", "names", "sectors"),
    [
        ("Grid", {"en": "Grid"}, []),
        ("g1", {"en": "Grid"}, []),
        ("grid--x", {"en": "Grid"}, []),
        ("grid:x", {"en": "Grid"}, []),
        ("a" * 64, {"en": "Grid"}, []),
        ("grid", {}, []),
        ("grid", {"en": "Gr\nid"}, []),
        ("grid", {"en": "Grid"}, ["Energy!"]),
        ("central-bank", {"en": "Taken"}, []),
    ],
)
def test_what_cannot_be_used_is_refused(
    constituents: Constituents, at: datetime, constituent_id: str, names: dict[str, str], sectors: list[str]
) -> None:
    with pytest.raises(BadConstituent):
        constituents.add(constituent_id, names, sectors, "soc@example", at)
    assert [each.id for each in constituents.all()] == ["central-bank", "grid-operator"]


def test_an_unknown_constituent_has_nothing(constituents: Constituents, at: datetime) -> None:
    for attempt in (
        lambda: constituents.accounts("nobody"),
        lambda: constituents.disable("nobody", at),
        lambda: constituents.enable("nobody", at),
        lambda: constituents.add_account("nobody", "siem", DAY, at),
    ):
        with pytest.raises(UnknownConstituent):
            attempt()
