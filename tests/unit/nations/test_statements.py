"""Key statements: what follows from what, and each attack on it by its name."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mithaq.kernel import canonical
from mithaq.kernel.keystore import Keys, KeystoreLocked
from mithaq.kernel.signing import BadSignature, SigningKey, VerifyKey, read_envelope, sign_with
from mithaq.nations.keys import root_file, rules
from mithaq.nations.keys.errors import BadStatement
from mithaq.nations.keys.model import STATEMENT_TYPE, Revocation, Root, Signed, Statement
from mithaq.nations.keys.root_file import RootKey
from tests.world import XA, XB, online_of, root_of, signed_statement

DAY = timedelta(days=1)
LAYLA, OMAR, SALMA, NOUR = (root_of(XA, name) for name in ("Layla", "Omar", "Salma", "Nour"))
KEYS, OTHER_KEYS = Keys.generate(), Keys.generate()


def drafted(previous: Signed | None, at: datetime, *roots: RootKey, threshold: int = 2, **changes: object) -> Statement:
    given: dict[str, object] = {"online": online_of(KEYS), "revoked": (), "expires_at": at + 90 * DAY} | changes
    officials = [root.root for root in roots or (LAYLA, OMAR, SALMA)]
    return rules.draft(previous, nation=XA, roots=officials, threshold=threshold, at=at, **given)  # type: ignore[arg-type]


@pytest.fixture
def first(at: datetime) -> Signed:
    return taken(signed_statement(drafted(None, at), LAYLA, OMAR), None, at)


def taken(signed: Signed, previous: Signed | None, at: datetime) -> Signed:
    return rules.accept(signed.envelope, previous, XA, at)


def refused(signed: Signed, previous: Signed | None, at: datetime, word: str) -> None:
    with pytest.raises(BadStatement, match=word):
        taken(signed, previous, at)


def test_a_rotation_needs_the_old_threshold_and_the_new_one(first: Signed, at: datetime) -> None:
    later = at + DAY
    next_roots = drafted(first, later, SALMA, NOUR, threshold=2)
    refused(signed_statement(next_roots, SALMA, NOUR), first, later, "signed by 1 of the 2 root keys of statement 1")
    refused(signed_statement(next_roots, LAYLA, OMAR), first, later, "signed by 0 of the 2 root keys of statement 2")
    refused(signed_statement(next_roots, LAYLA, SALMA), first, later, "signed by 1 of the 2 root keys of statement 2")
    whole = taken(signed_statement(next_roots, LAYLA, SALMA, NOUR), first, later)
    assert [root.name for root in whole.statement.roots] == ["Salma", "Nour"]


def test_the_loss_of_one_root_key_of_three_is_survived(first: Signed, at: datetime) -> None:
    without_salma = signed_statement(drafted(first, at + DAY, LAYLA, OMAR, NOUR), LAYLA, OMAR)
    second = taken(without_salma, first, at + DAY)
    assert rules.root_hash(second.statement) != rules.root_hash(first.statement)


def test_a_wrong_threshold_is_refused(at: datetime) -> None:
    statement = drafted(None, at)
    refused(signed_statement(statement, LAYLA), None, at, "1 of the 2")
    with pytest.raises(BadStatement, match="threshold"):
        drafted(None, at, LAYLA, OMAR, threshold=3)
    value = canonical.loads(rules.payload_of(statement)) | {"threshold": 0}
    with pytest.raises(BadStatement, match="malformed"):
        rules.accept(sign_with(key_of(LAYLA), STATEMENT_TYPE, canonical.dumps(value)), None, XA, at)


def test_a_duplicate_official_signing_twice_counts_once(at: datetime) -> None:
    statement = drafted(None, at)
    once = signed_statement(statement, LAYLA)
    twice = root_file.sign(once.envelope, LAYLA)
    assert twice == once.envelope
    refused(once, None, at, "1 of the 2")
    value = canonical.loads(twice)
    value["signatures"] *= 2
    with pytest.raises(BadSignature, match="a key signs twice"):
        rules.accept(canonical.dumps(value), None, XA, at)


def test_one_official_under_two_names_or_with_a_shared_half_is_refused(at: datetime) -> None:
    double = root_file.RootKey("Another name", LAYLA.ed25519, LAYLA.mldsa65)
    shared = Root("Half", VerifyKey(LAYLA.root.key.ed25519, NOUR.root.key.mldsa65))
    with pytest.raises(BadStatement, match="two officials"):
        drafted(None, at, LAYLA, double)
    with pytest.raises(BadStatement, match="two officials"):
        rules.draft(
            None, nation=XA, roots=[LAYLA.root, shared], threshold=2, online=online_of(KEYS), revoked=(), at=at,
            expires_at=at + DAY,
        )  # fmt: skip


@pytest.mark.parametrize("half", ["ed25519", "ml-dsa-65"])
def test_a_downgrade_to_one_half_of_the_hybrid_signature_is_refused(at: datetime, half: str) -> None:
    whole = read_envelope(signed_statement(drafted(None, at), LAYLA, OMAR).envelope)
    mine = f"{half}:{LAYLA.root.key.key_id}"
    weaker = replace(whole, signatures=tuple(each for each in whole.signatures if each[0] != mine))
    with pytest.raises(BadStatement, match="both must verify"):
        rules.accept(weaker.encode(), None, XA, at)


def test_a_rollback_of_statements_is_refused(first: Signed, at: datetime) -> None:
    second = taken(signed_statement(drafted(first, at + DAY), LAYLA, OMAR), first, at + DAY)
    refused(first, second, at + DAY, "older than number 2")
    assert rules.accept_row([first.envelope, second.envelope], [first, second], XA, at + DAY) == ()


def test_a_second_text_under_a_known_number_is_refused(first: Signed, at: datetime) -> None:
    fork = signed_statement(drafted(None, at, expires_at=at + 30 * DAY), LAYLA, OMAR)
    refused(fork, first, at, "two different statements carry number 1")
    with pytest.raises(BadStatement, match="two different statements"):
        rules.accept_row([fork.envelope], [first], XA, at)


def test_a_gap_or_a_wrong_predecessor_is_refused(first: Signed, at: datetime) -> None:
    second = taken(signed_statement(drafted(first, at + DAY), LAYLA, OMAR), first, at + DAY)
    third = signed_statement(drafted(second, at + 2 * DAY), LAYLA, OMAR)
    refused(third, first, at + 2 * DAY, "ask for those between")
    refused(third, None, at + 2 * DAY, "ask for those between")
    other = replace(first, hash="0" * 64)
    refused(
        signed_statement(drafted(other, at + DAY), LAYLA, OMAR), first, at + DAY, "does not name the statement before"
    )
    row = rules.accept_row([second.envelope, third.envelope], [first], XA, at + 2 * DAY)
    assert [each.statement.version for each in row] == [2, 3]


def test_a_statement_out_of_its_time_is_refused(first: Signed, at: datetime) -> None:
    refused(signed_statement(drafted(first, at + DAY), LAYLA, OMAR), first, at, "in the future")
    refused(signed_statement(drafted(first, at - DAY), LAYLA, OMAR), first, at, "before its predecessor")
    with pytest.raises(BadStatement, match="expire before"):
        drafted(None, at, expires_at=at)
    rules.check_current(first.statement, at)
    with pytest.raises(BadStatement, match="expired on"):
        rules.check_current(first.statement, at + 90 * DAY)


def test_revocations_only_grow_and_a_revoked_key_never_comes_back(first: Signed, at: datetime) -> None:
    gone = Revocation(KEYS.signing.verify_key.key_id, at)
    second = taken(
        signed_statement(drafted(first, at + DAY, online=online_of(OTHER_KEYS), revoked=[gone]), LAYLA, OMAR), first,
        at + DAY,
    )  # fmt: skip
    with pytest.raises(BadStatement, match="a key that is revoked"):
        drafted(second, at + 2 * DAY, online=online_of(KEYS))
    third = drafted(second, at + 2 * DAY, online=online_of(OTHER_KEYS))
    assert third.revoked == (gone,)
    refused(signed_statement(replace(third, revoked=()), LAYLA, OMAR), second, at + 2 * DAY, "takes a revocation back")
    (old, new) = rules.known_keys([first.statement, second.statement])
    assert (old.retired_at, old.compromised_at, new.retired_at) == (at + DAY, at, None)
    assert not rules.counts(old, None)
    assert not rules.counts(old, at)
    assert rules.counts(old, at - DAY)
    assert rules.counts(new, None)


def test_a_root_key_never_serves_the_running_node(at: datetime) -> None:
    online = replace(online_of(KEYS), verify_key=LAYLA.root.key)
    with pytest.raises(BadStatement, match="used by the running node"):
        drafted(None, at, online=online)


@pytest.mark.parametrize(
    "change",
    [
        {"format_version": 2}, {"roots": []}, {"roots": "x"}, {"version": True}, {"version": -1}, {"unknown": 1},
        {"previous_hash": "x"}, {"revoked": [{}]}, {"online": {}}, {"issued_at": "soon"}, {"nation": "xa"},
        {"revoked": [{"key_id": "0" * 64, "compromised_at": "2199-01-01T00:00:00.000Z"}]},
    ],
    ids=str,
)  # fmt: skip
def test_a_malformed_statement_is_refused_with_a_reason(at: datetime, change: dict[str, object]) -> None:
    value = canonical.loads(rules.payload_of(drafted(None, at))) | change
    with pytest.raises(BadStatement):
        rules.accept(sign_with(key_of(LAYLA), STATEMENT_TYPE, canonical.dumps(value)), None, XA, at)


def test_a_statement_of_another_nation_or_with_a_strangers_signature_is_refused(first: Signed, at: datetime) -> None:
    with pytest.raises(BadStatement, match="about XA"):
        rules.accept(first.envelope, None, XB, at)
    refused(replace(first, envelope=root_file.sign(first.envelope, NOUR)), None, at, "somebody who is no root")


def test_a_root_key_file_opens_under_its_own_passphrase_alone(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    root_file.write(path, LAYLA, b"correct horse battery")
    assert root_file.read(path.read_bytes(), b"correct horse battery") == LAYLA
    assert LAYLA.ed25519 not in path.read_bytes()
    for data, passphrase in (
        (path.read_bytes(), b"another passphrase."),
        (b"mithaq-keys-2\n", b"correct horse battery"),
    ):
        with pytest.raises(KeystoreLocked):
            root_file.read(data, passphrase)


def key_of(root: RootKey) -> SigningKey:
    return SigningKey(root.ed25519, root.mldsa65)
