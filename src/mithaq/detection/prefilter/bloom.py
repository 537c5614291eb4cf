"""A set of texts that may say yes wrongly, seldom, and never no: two Bloom filters, asked for thousands at a time."""

import secrets
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Numbers: TypeAlias = npt.NDArray[np.uint64]
Places: TypeAlias = npt.NDArray[np.intp]
Truths: TypeAlias = npt.NDArray[np.bool_]

MARGIN: Final = 8
"""How many bytes stand before the first text of a buffer: texts are read eight bytes at a time, from their ends."""
_WORD: Final = 8
_CASE: Final = np.uint64(0x2020202020202020)
_ZEROS: Final = np.uint64(0x3030303030303030)
_TO_SIXTEEN: Final = np.uint64(0x0606060606060606)
_HIGH: Final = np.uint64(0xF0F0F0F0F0F0F0F0)
_FACTOR: Final = np.uint64(0xBF58476D1CE4E5B9)
_START: Final = np.uint64(secrets.randbits(64))
"""Secret, so that neither intelligence nor telemetry can be made to collide."""
_KEYS_A_WORD: Final = 2
_FIRST_ROOM: Final = 1 << 13


def keys_of(buffer: bytes, starts: Places, ends: Places) -> Numbers:
    """Return a number for each of these texts in the buffer, the same for the same text in whatever case (ASCII)."""
    words = np.ndarray((len(buffer) - _WORD + 1,), "<u8", buffer, strides=(1,))
    lengths = ends - starts
    keys = _taken(np.full(len(starts), _START), words, ends, lengths)
    left = np.flatnonzero(lengths > _WORD)
    depth = _WORD
    while len(left):
        keys[left] = _taken(keys[left], words, ends[left] - depth, lengths[left] - depth)
        depth += _WORD
        left = left[lengths[left] > depth]
    return keys


def are_numbers(buffer: bytes, starts: Places, ends: Places) -> Truths:
    """Tell which of these texts are one to eight decimal digits."""
    words = np.ndarray((len(buffer) - _WORD + 1,), "<u8", buffer, strides=(1,))
    lengths = ends - starts
    beyond = (np.maximum(_WORD - lengths, 0) << 3).astype(np.uint64)
    digits = (words[ends - _WORD] ^ _ZEROS) >> beyond
    found: Truths = (lengths <= _WORD) & ((digits | (digits + _TO_SIXTEEN)) & _HIGH == 0)
    return found


def _taken(keys: Numbers, words: Numbers, ends: Places, lengths: Places) -> Numbers:
    """Mix in what stands before these ends: eight bytes, or as many as are left."""
    beyond = (np.maximum(_WORD - lengths, 0) << 3).astype(np.uint64)
    mixed = (keys ^ ((words[ends - _WORD] | _CASE) >> beyond)) * _FACTOR
    mixed ^= mixed >> np.uint64(32)
    return mixed * _FACTOR


class Bloom:
    """Any number of threads ask while one adds. Memory: 64 to 128 bits a key."""

    def __init__(self, room: int = _FIRST_ROOM) -> None:
        self._parts: list[Numbers] = []
        self._used = 0
        self._tables = _Tables(room)

    @property
    def size_bytes(self) -> int:
        """Return the memory that it takes."""
        return self._tables.size_bytes + 8 * self._used

    def add(self, keys: Numbers) -> None:
        """Take these in; what is asked after the return finds them."""
        self._parts.append(keys)
        self._used += len(keys)
        if self._used <= self._tables.room:
            self._tables.add(keys)
            return
        grown = _Tables(2 * self._used)  # built beside the old ones, which answer until they are replaced
        self._parts = [np.concatenate(self._parts)]
        grown.add(self._parts[0])
        self._tables = grown

    def find(self, keys: Numbers) -> Places:
        """Return the places of those that may be in it: of others, one in some hundred thousand."""
        return self._tables.find(keys)


class _Tables:
    def __init__(self, room: int) -> None:
        self.room = room
        bits = max(6, (room // _KEYS_A_WORD - 1).bit_length())
        self._first = np.zeros(1 << bits, np.uint64)
        self._second = np.zeros(1 << bits, np.uint64)
        self._shift = np.uint64(64 - bits)

    @property
    def size_bytes(self) -> int:
        return int(self._first.nbytes + self._second.nbytes)

    def add(self, keys: Numbers) -> None:
        again = keys * _FACTOR
        np.bitwise_or.at(self._second, again >> self._shift, _two(again) | _two(again >> np.uint64(12)))
        np.bitwise_or.at(self._first, keys >> self._shift, _two(keys))

    def find(self, keys: Numbers) -> Places:
        bits = _two(keys)
        found = np.flatnonzero((self._first[keys >> self._shift] & bits) == bits)
        again = keys[found] * _FACTOR
        bits = _two(again) | _two(again >> np.uint64(12))
        there: Places = found[(self._second[again >> self._shift] & bits) == bits]
        return there


def _two(keys: Numbers) -> Numbers:
    """Return words with two bits each, chosen by the lowest twelve bits of a number."""
    one, low = np.uint64(1), np.uint64(63)
    return one << (keys & low) | one << (keys >> np.uint64(6) & low)
