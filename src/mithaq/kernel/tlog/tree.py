"""The Merkle tree: hashes, proofs made and verified.

A hash of the tree is named by `(level, number)`: level 0 are the leaves, and `(level, number)` covers the leaves
`number * 2**level` up to `(number + 1) * 2**level`.

Source: RFC 6962 §2.1 (trees, proofs), RFC 9162 §2.1.3.2 and §2.1.4.2 (verification).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from mithaq.kernel.tlog.errors import BadProof

EMPTY_ROOT = sha256(b"").digest()
MAX_PROOF_HASHES = 63
HashAt = Callable[[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of an entry as a leaf."""
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two neighbours."""
    return sha256(b"\1" + left + right).digest()


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """Return the root over `2**n` neighbours of one level.

    Cost: one hash fewer than there are neighbours.
    """
    row = list(hashes)
    while len(row) > 1:
        row = [sha256(b"\1" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=True)]
    return row[0]


@dataclass(frozen=True, slots=True)
class Edge:
    """The right edge of a tree: its size and the roots of its perfect subtrees, largest first.

    Enough to append and to state the root, whatever the size. Shapes: as many peaks as `size` has bits set.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    @property
    def root(self) -> bytes:
        """Return the root hash of the whole tree."""
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root

    def extended(self, leaves: Iterable[bytes]) -> "Edge":
        """Return the edge after leaves, given by their hashes, were appended.

        Cost: about one hash a leaf.
        """
        size, peaks = self.size, list(self.peaks)
        for leaf in leaves:
            merged, filled = leaf, size
            while filled & 1:
                merged = sha256(b"\1" + peaks.pop() + merged).digest()
                filled >>= 1
            peaks.append(merged)
            size += 1
        return Edge(size, tuple(peaks))


def subtree(hash_at: HashAt, start: int, end: int) -> bytes:
    """Return the root over the leaves from `start` up to `end`, which is no leaf of it (RFC 6962, MTH)."""
    count = end - start
    if count == 0:
        return EMPTY_ROOT
    if count & (count - 1) == 0 and start % count == 0:
        return hash_at(count.bit_length() - 1, start // count)
    middle = start + _split(count)
    return node_hash(subtree(hash_at, start, middle), subtree(hash_at, middle, end))


def prove_inclusion(hash_at: HashAt, leaf: int, size: int) -> list[bytes]:
    """Return the audit path of a leaf in a tree of `size` leaves (RFC 6962 §2.1.1).

    Raises:
        BadProof: there is no such leaf.
    """
    if not 0 <= leaf < size:
        raise BadProof("leaf %(leaf)s is not in a tree of %(size)s", leaf=leaf, size=size)
    path, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if leaf < middle:
            path.append(subtree(hash_at, middle, end))
            end = middle
        else:
            path.append(subtree(hash_at, start, middle))
            start = middle
    return path[::-1]


def prove_consistency(hash_at: HashAt, old: int, new: int) -> list[bytes]:
    """Return the proof that a tree of `old` leaves is the beginning of one of `new` leaves (RFC 6962 §2.1.2).

    Raises:
        BadProof: the older tree is the larger one.
    """
    if not 0 <= old <= new:
        raise BadProof("a tree of %(new)s leaves does not extend one of %(old)s", new=new, old=old)
    if old in (0, new):
        return []
    path, start, end = [], 0, new
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(subtree(hash_at, middle, end))
            end = middle
        else:
            path.append(subtree(hash_at, start, middle))
            start = middle
    if start:
        path.append(subtree(hash_at, start, end))
    return path[::-1]


def check_inclusion(leaf: int, size: int, hash_of_leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Verify an audit path (RFC 9162 §2.1.3.2).

    Raises:
        BadProof: the leaf is outside the tree, or the path leads to another root.
    """
    if not 0 <= leaf < size:
        raise BadProof("leaf %(leaf)s is not in a tree of %(size)s", leaf=leaf, size=size)
    place, last, found = leaf, size - 1, hash_of_leaf
    for sibling in proof:
        if last == 0:
            raise BadProof("the proof is longer than the tree is high")
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    if last or found != root:
        raise BadProof("the proof does not lead from the leaf to the root")


def check_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Verify that a newer tree begins with an older one (RFC 9162 §2.1.4.2).

    Raises:
        BadProof: it does not, or it is smaller, or the proof has a hash too many or too few.
    """
    if not 0 <= old <= new:
        raise BadProof("a tree of %(new)s leaves does not extend one of %(old)s", new=new, old=old)
    if old in (0, new):
        if proof or (old == 0 and old_root != EMPTY_ROOT) or (old == new and old_root != new_root):
            raise BadProof("two trees of one size differ, or a proof where none is due")
        return
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        raise BadProof("the proof is missing")
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    before = after = path[0]
    for each in path[1:]:
        if last == 0:
            raise BadProof("the proof is longer than the tree is high")
        if place & 1 or place == last:
            before, after = node_hash(each, before), node_hash(each, after)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            after = node_hash(after, each)
        place, last = place >> 1, last >> 1
    if last or before != old_root or after != new_root:
        raise BadProof("the newer tree does not begin with the older one")


def _split(count: int) -> int:
    """Return the largest power of two below `count`."""
    return 1 << ((count - 1).bit_length() - 1)
