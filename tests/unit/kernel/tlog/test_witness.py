"""The witness's rules, and the attacks they are there for: replay, rollback, fork, equivocation, forgery."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithaq.kernel.tlog.checkpoint import Checkpoint, sign_checkpoint
from mithaq.kernel.tlog.errors import BadNote
from mithaq.kernel.tlog.note import Note
from mithaq.kernel.tlog.tree import prove_consistency, subtree
from mithaq.kernel.tlog.vkey import KeyType, NoteKey
from mithaq.kernel.tlog.witness import Request, Ruling, Seen, is_equivocation, read_request, rule
from tests.unit.kernel.tlog.test_notes import LOG, ORIGIN
from tests.unit.kernel.tlog.trees import tree_of

HONEST = tree_of([bytes([number]) for number in range(60)])
FORKED = tree_of([bytes([number]) for number in range(20)] + [b"another"] * 40)
KEYS = [LOG.public]


def signed(size: int, tree: object = HONEST) -> Note:
    assert isinstance(tree, type(HONEST))
    return sign_checkpoint(Checkpoint(ORIGIN, size, subtree(tree.hash_at, 0, size)), LOG)


def seen(size: int) -> Seen:
    return Seen(size, subtree(HONEST.hash_at, 0, size), signed(size).encode())


def ask(old: int, size: int, tree: object = HONEST) -> Request:
    assert isinstance(tree, type(HONEST))
    return Request(old, tuple(prove_consistency(tree.hash_at, old, size)), signed(size, tree))


@given(st.integers(0, 60), st.integers(0, 60))
def test_an_honest_log_is_cosigned_at_every_step(old: int, size: int) -> None:
    old, size = sorted((old, size))
    request = read_request(ask(old, size).encode())
    assert request == ask(old, size)
    assert rule(request, KEYS, seen(old) if old else Seen()) is Ruling.COSIGN


def test_asking_again_for_the_same_checkpoint_is_cosigned_again() -> None:
    assert rule(ask(30, 30), KEYS, seen(30)) is Ruling.COSIGN


def test_a_log_nobody_knows_and_a_checkpoint_nobody_signed_are_told_apart() -> None:
    assert rule(ask(0, 5), [], Seen()).status == 404
    other = NoteKey(ORIGIN, KeyType.ED25519, b"\x66" * 32)
    forged = sign_checkpoint(ask(0, 5).checkpoint, other)
    assert rule(Request(0, (), forged), KEYS, Seen()).status == 403


def test_a_rollback_is_refused_with_the_size_that_was_cosigned() -> None:
    assert rule(ask(20, 25), KEYS, seen(40)) is Ruling.OTHER_SIZE
    assert Ruling.OTHER_SIZE.status == 409
    assert rule(ask(0, 25), KEYS, seen(40)).status == 409


def test_a_replayed_request_moves_nothing() -> None:
    assert rule(ask(20, 40), KEYS, seen(40)) is Ruling.OTHER_SIZE


def test_equivocation_is_refused_and_leaves_evidence_that_convinces_anybody() -> None:
    ruling = rule(Request(40, (), signed(40, FORKED)), KEYS, seen(40))
    assert (ruling, ruling.status, ruling.is_evidence) == (Ruling.TWO_ROOTS, 409, True)
    assert is_equivocation(seen(40).note, signed(40, FORKED).encode(), KEYS)
    assert not is_equivocation(seen(40).note, seen(40).note, KEYS)
    assert not is_equivocation(seen(40).note, signed(41).encode(), KEYS)
    other = NoteKey(ORIGIN, KeyType.ED25519, b"\x66" * 32)
    assert not is_equivocation(seen(40).note, signed(40, FORKED).encode(), [other.public])


@pytest.mark.parametrize("size", [41, 50, 60])
def test_a_fork_is_refused(size: int) -> None:
    ruling = rule(ask(40, size, FORKED), KEYS, seen(40))
    assert (ruling, ruling.status, ruling.is_evidence) == (Ruling.NOT_CONSISTENT, 422, True)


def test_a_proof_too_many_is_refused() -> None:
    request = Request(40, (b"\0" * 32,), signed(40))
    assert rule(request, KEYS, seen(40)) is Ruling.NOT_CONSISTENT
    assert rule(Request(0, (b"\0" * 32,), signed(40)), KEYS, Seen()) is Ruling.NOT_CONSISTENT


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("old 20\n", "old +20\n"), ("old 20\n", "old 020\n"), ("old 20\n", "Old 20\n"), ("old 20\n", ""),
        ("old 20\n", "old 99\n"), ("old 20\n", "old 20\n" + ("A" * 43 + "=\n") * 64), ("old 20\n", "old 20\n\n"),
        ("old 20\n", "old 20\nAAAA\n"), ("old 20\n", "old \u0662\u0660\n"),
    ],
)  # fmt: skip
def test_a_request_that_breaks_its_format_is_refused(old: str, new: str) -> None:
    with pytest.raises(BadNote):
        read_request(ask(20, 40).encode().decode().replace(old, new, 1).encode())


@given(st.binary(max_size=300))
def test_hostile_bytes_are_no_request(data: bytes) -> None:
    with pytest.raises(BadNote):
        read_request(data)


def test_a_request_over_its_limit_is_refused() -> None:
    with pytest.raises(BadNote, match="limit"):
        read_request(bytes(300_000))
