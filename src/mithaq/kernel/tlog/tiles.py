"""Tiles: the tree as files of 256 hashes, and its entries as files of 256 entries.

Source: c2sp.org/tlog-tiles v0.1.0.
"""

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mithaq.kernel.tlog.errors import BadNote, BadProof
from mithaq.kernel.tlog.lines import HASH_BYTES
from mithaq.kernel.tlog.tree import perfect_root

HEIGHT = 8
WIDTH = 1 << HEIGHT
MAX_LEVEL = 63
MAX_ENTRY_BYTES = 65_535
_PATH = re.compile(r"(entries|0|[1-9]\d?)((?:/x\d{3})*/\d{3})(?:\.p/([1-9]\d{0,2}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Tile:
    """The name of one tile: its level (`None` for a bundle of entries), its number there, and its width."""

    level: int | None
    number: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Return the path below `tile/`.

        >>> Tile(0, 1234067).path
        '0/x001/x234/067'
        >>> Tile(None, 273, 112).path
        'entries/273.p/112'
        """
        parts = [f"{self.number % 1000:03d}"]
        rest = self.number // 1000
        while rest:
            parts.insert(0, f"x{rest % 1000:03d}")
            rest //= 1000
        head = "entries" if self.level is None else str(self.level)
        return "/".join((head, *parts)) + (f".p/{self.width}" if self.width < WIDTH else "")

    @staticmethod
    def parse(path: str) -> "Tile":
        """Read a path below `tile/`.

        Raises:
            BadNote: it is not the one path of a tile.
        """
        found = _PATH.fullmatch(path)
        if found is None or len(path) > 60:
            raise BadNote("no path of a tile")
        level = None if found[1] == "entries" else int(found[1])
        number = int(found[2].replace("/", "").replace("x", ""))
        tile = Tile(level, number, int(found[3] or WIDTH))
        if tile.path != path or (level or 0) > MAX_LEVEL:
            raise BadNote("no path of a tile")
        return tile


def width_of(level: int, number: int, size: int) -> int:
    """Return how many hashes a tile has in a tree of `size` leaves: 0 when it is not there."""
    return max(0, min(WIDTH, (size >> (HEIGHT * level)) - number * WIDTH))


def tiles_of(size: int) -> Iterator[Tile]:
    """Name every hash tile of a tree, level by level."""
    level = 0
    while count := size >> (HEIGHT * level):
        for number in range((count + WIDTH - 1) // WIDTH):
            yield Tile(level, number, width_of(level, number, size))
        level += 1


def bundles_of(size: int) -> Iterator[Tile]:
    """Name every bundle of entries of a tree."""
    for number in range((size + WIDTH - 1) // WIDTH):
        yield Tile(None, number, width_of(0, number, size))


def split_tile(data: bytes, width: int) -> list[bytes]:
    """Return the hashes in a tile.

    Raises:
        BadProof: the tile has another width.
    """
    if len(data) != width * HASH_BYTES:
        raise BadProof("a tile of %(found)s bytes where %(wanted)s are due", found=len(data), wanted=width * HASH_BYTES)
    return [data[place : place + HASH_BYTES] for place in range(0, len(data), HASH_BYTES)]


def join_bundle(entries: Sequence[bytes]) -> bytes:
    """Return entries as one bundle, each after two bytes of length."""
    return b"".join(struct.pack(">H", len(entry)) + entry for entry in entries)


def split_bundle(data: bytes, width: int) -> list[bytes]:
    """Return the entries of a bundle.

    Raises:
        BadProof: it is cut off, or has more or fewer entries than its width.
    """
    entries: list[bytes] = []
    position = 0
    while position < len(data):
        end = position + 2 + int.from_bytes(data[position : position + 2], "big")
        if position + 2 > len(data) or end > len(data) or len(entries) == width:
            raise BadProof("a bundle of entries is cut off, or longer than its width")
        entries.append(data[position + 2 : end])
        position = end
    if len(entries) != width:
        raise BadProof("a bundle of entries is cut off, or longer than its width")
    return entries


class TileTree:
    """The hashes of a tree of one size, looked up in its tiles.

    `read` returns a tile's bytes, of exactly the width asked for. Nothing is authenticated here: compare the root.
    """

    def __init__(self, size: int, read: Callable[[Tile], bytes]) -> None:
        self.size = size
        self._read = read
        self._tiles: dict[tuple[int, int], list[bytes]] = {}

    def hash_at(self, level: int, number: int) -> bytes:
        """Return the hash of one perfect subtree.

        Raises:
            BadProof: it is outside the tree, or its tile has another width than it should.
        """
        tile_level, height = divmod(level, HEIGHT)
        first = number << height
        place = first % WIDTH
        hashes = self._tile(tile_level, first // WIDTH)
        if place + (1 << height) > len(hashes):
            raise BadProof("leaf %(leaf)s is not in a tree of %(size)s", leaf=number << level, size=self.size)
        return perfect_root(hashes[place : place + (1 << height)])

    def _tile(self, level: int, number: int) -> list[bytes]:
        known = self._tiles.get((level, number))
        if known is None:
            width = width_of(level, number, self.size)
            known = split_tile(self._read(Tile(level, number, width)), width) if width else []
            self._tiles[level, number] = known
        return known
