"""Where labels begin and end, told from one bit for each byte: sixty-four bytes are looked at with a few steps."""

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mithaq.detection.prefilter.bloom import Numbers, Places, Truths

_Bytes: TypeAlias = npt.NDArray[np.uint8]

_SURE: Final = 57
"""So many bits of a word of 64 are there from whichever bit of its first byte on."""
_SURE_BITS: Final = np.uint64((1 << _SURE) - 1)
_STEPS: Final = 5
"""A longer label than so many words is in no text that is looked for, and its end is of no interest."""
_ONE: Final = np.uint64(1)
_SEVEN: Final = np.uint64(7)
_FULL: Final = 255


class Labels:
    """The labels of some bytes: runs of letters, digits, `-` and `_`."""

    def __init__(self, raw: _Bytes) -> None:
        self._is_label = _label_bytes(raw)
        self._bits = np.packbits(self._is_label, bitorder="little")
        self._forward = _words(self._bits)
        self._backward = _words(np.packbits(self._is_label, bitorder="big")[::-1])
        self._end = 8 * len(self._bits)

    def after(self, places: Places) -> Places:
        """Return how many bytes of a label stand from each of these places on; of a very long one, not all."""
        return _ones(self._forward, places)

    def before(self, places: Places) -> Places:
        """Return how many bytes of a label stand just before each of these places; of a very long one, not all."""
        return _ones(self._backward, self._end - places)

    def of_length(self, shortest: int) -> tuple[Places, Places]:
        """Return the starts and the ends of the labels of at least so many bytes."""
        starts = self._starts(shortest)
        lengths = self.after(starts)
        long = lengths >= shortest
        return starts[long], starts[long] + lengths[long]

    def _starts(self, shortest: int) -> Places:
        """Return the starts of labels, all those of at least so many bytes among them."""
        whole = (shortest - 7) // 8  # a label of so many bytes fills at least so many of the bytes that hold its bits
        if whole < 1:
            return (self._is_label[1:] > self._is_label[:-1]).nonzero()[0] + 1
        is_full: Truths = self._bits == _FULL
        for _ in range(min(whole, 3) - 1):
            is_full = is_full[:-1] & is_full[1:]
        inside = 8 * ((is_full[1:] > is_full[:-1]).nonzero()[0] + 1)
        starts: Places = inside - self.before(inside)
        return starts


def _label_bytes(raw: _Bytes) -> Truths:
    scratch = raw | np.uint8(0x20)
    scratch -= np.uint8(ord("a"))
    found = scratch < 26
    np.subtract(raw, np.uint8(ord("0")), out=scratch)
    found |= scratch < 10
    found |= raw == ord("-")
    found |= raw == ord("_")
    return found


def _words(bits: _Bytes) -> Numbers:
    """Return the eight bytes from each byte on, as numbers: side by side, where they are read four times as fast."""
    return np.ascontiguousarray(np.ndarray((len(bits) + 1,), "<u8", bits.tobytes() + bytes(8), strides=(1,)))


def _ones(words: Numbers, places: Places) -> Places:
    """Return how many bits are set from each of these places on."""
    counts = _ones_in_word(words, places)
    left = (counts == _SURE).nonzero()[0]
    for step in range(1, _STEPS):
        if not len(left):
            break
        more = _ones_in_word(words, places[left] + _SURE * step)
        counts[left] += more
        left = left[more == _SURE]
    return counts


def _ones_in_word(words: Numbers, places: Places) -> Places:
    sure = words[places >> 3] >> (places.astype(np.uint64) & _SEVEN) & _SURE_BITS
    first_zero = sure ^ (sure + _ONE)  # the ones below the first zero, and it
    counts: Places = np.bitwise_count(first_zero).astype(np.intp)
    counts -= 1
    return counts
