"""A whole tree in memory, by the plainest means, for tests of what is computed from tiles."""

from collections.abc import Callable, Sequence

from mithaq.kernel.tlog.tiles import HEIGHT, WIDTH, Tile, TileTree, join_bundle
from mithaq.kernel.tlog.tree import leaf_hash, perfect_root


def read_from(entries: Sequence[bytes]) -> Callable[[Tile], bytes]:
    """Return a reader of the tiles of a tree that holds these entries."""
    rows = [[leaf_hash(entry) for entry in entries]]
    while len(rows[-1]) >= WIDTH:
        below = rows[-1]
        rows.append([perfect_root(below[n : n + WIDTH]) for n in range(0, len(below) - WIDTH + 1, WIDTH)])

    def read(tile: Tile) -> bytes:
        start = tile.number << HEIGHT
        if tile.level is None:
            return join_bundle(entries[start : start + tile.width])
        return b"".join(rows[tile.level][start : start + tile.width])

    return read


def tree_of(entries: Sequence[bytes]) -> TileTree:
    return TileTree(len(entries), read_from(entries))
