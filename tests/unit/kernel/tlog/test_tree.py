"""Every proof of every small tree, against the definition of RFC 6962 written out a second time."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithaq.kernel.tlog.errors import BadProof
from mithaq.kernel.tlog.tiles import TileTree
from mithaq.kernel.tlog.tree import (
    EMPTY_ROOT,
    Edge,
    check_consistency,
    check_inclusion,
    leaf_hash,
    prove_consistency,
    prove_inclusion,
    subtree,
)
from tests.unit.kernel.tlog.trees import read_from, tree_of

LARGEST = 80
ENTRIES = [bytes([number]) * (number % 7) for number in range(LARGEST)]
TREE = tree_of(ENTRIES)


def root_by_definition(entries: list[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1, word for word."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\0" + entries[0]).digest()
    split = 1
    while split * 2 < len(entries):
        split *= 2
    left, right = root_by_definition(entries[:split]), root_by_definition(entries[split:])
    return sha256(b"\1" + left + right).digest()


ROOTS = [root_by_definition(ENTRIES[:size]) for size in range(LARGEST + 1)]


def flipped(proof: list[bytes]) -> list[list[bytes]]:
    """The proof with one bit changed in each hash, with a hash taken away, with one too many."""
    changed = [[*proof[:n], bytes([proof[n][0] ^ 1]) + proof[n][1:], *proof[n + 1 :]] for n in range(len(proof))]
    return [*changed, *([proof[:-1], proof[1:]] if proof else []), [*proof, b"\0" * 32]]


@pytest.mark.parametrize("size", range(1, LARGEST + 1))
def test_every_inclusion_proof_of_every_size_holds_and_no_other_does(size: int) -> None:
    for leaf in range(size):
        proof = prove_inclusion(TREE.hash_at, leaf, size)
        check_inclusion(leaf, size, leaf_hash(ENTRIES[leaf]), proof, ROOTS[size])
        for wrong in flipped(proof):
            with pytest.raises(BadProof):
                check_inclusion(leaf, size, leaf_hash(ENTRIES[leaf]), wrong, ROOTS[size])
        with pytest.raises(BadProof):
            check_inclusion(leaf, size, leaf_hash(b"another"), proof, ROOTS[size])
        with pytest.raises(BadProof):
            check_inclusion(size, size, leaf_hash(ENTRIES[leaf]), proof, ROOTS[size])


@pytest.mark.parametrize("size", range(LARGEST + 1))
def test_every_consistency_proof_of_every_size_holds_and_no_other_does(size: int) -> None:
    for old in range(size + 1):
        proof = prove_consistency(TREE.hash_at, old, size)
        check_consistency(old, size, ROOTS[old], ROOTS[size], proof)
        for wrong in flipped(proof):
            with pytest.raises(BadProof):
                check_consistency(old, size, ROOTS[old], ROOTS[size], wrong)
        if old > 0:
            with pytest.raises(BadProof):
                check_consistency(old, size, leaf_hash(b"another"), ROOTS[size], proof)
        if old < size:
            with pytest.raises(BadProof):
                check_consistency(size, old, ROOTS[size], ROOTS[old], proof)


@pytest.mark.parametrize("size", range(LARGEST + 1))
def test_the_edge_and_the_tiles_state_the_root_of_the_definition(size: int) -> None:
    assert Edge().extended(map(leaf_hash, ENTRIES[:size])).root == ROOTS[size]
    assert subtree(TREE.hash_at, 0, size) == ROOTS[size]


def test_a_proof_for_a_leaf_outside_the_tree_is_not_made() -> None:
    with pytest.raises(BadProof):
        prove_inclusion(TREE.hash_at, 5, 5)
    with pytest.raises(BadProof):
        prove_consistency(TREE.hash_at, 6, 5)
    with pytest.raises(BadProof):
        TREE.hash_at(0, LARGEST)


@given(st.lists(st.integers(0, 700), min_size=1, max_size=4).map(sorted), st.data())
def test_appending_in_any_batches_gives_the_tree_of_the_whole(cuts: list[int], data: st.DataObject) -> None:
    entries = [number.to_bytes(2, "big") for number in range(cuts[-1])]
    edge = Edge()
    for start, end in zip([0, *cuts], cuts, strict=False):
        edge = edge.extended(leaf_hash(entry) for entry in entries[start:end])
    assert edge == Edge().extended(map(leaf_hash, entries))
    if entries:
        tree = TileTree(len(entries), read_from(entries))
        leaf = data.draw(st.integers(0, len(entries) - 1))
        proof = prove_inclusion(tree.hash_at, leaf, len(entries))
        check_inclusion(leaf, len(entries), leaf_hash(entries[leaf]), proof, edge.root)
    assert (edge.root == EMPTY_ROOT) == (not entries)
