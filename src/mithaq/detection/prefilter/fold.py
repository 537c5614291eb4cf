"""The table by which the kernel brings names that are not ASCII into one form; `native/fold.h` says what it means.

Made from the same data by which observables become canonical (`idna`, `unicodedata`), so the two cannot disagree.
"""

import sys
import unicodedata
from array import array
from collections.abc import Iterator
from typing import Final

import idna

VERSION: Final = f"1-{idna.__version__}-{unicodedata.unidata_version}"
"""Changes whenever the table may."""

_PAGES: Final = 0x1100
_WHITE: Final = 1
_FOLDED: Final = 0x80000000
_MOST: Final = 31
_HANGUL: Final = range(0xAC00, 0xD7A4)  # decomposed by arithmetic
_SURROGATES: Final = range(0xD800, 0xE000)
_ASSIGNED: Final = (range(0x80, 0x32400), range(0xE0000, 0xE0200))
"""The planes that hold characters with names; all else maps to itself."""


def fold_table() -> bytes:
    """Return the table as words of 32 bits in the machine's order.

    Cost: a second; `build` keeps the result beside the compiled kernel.
    """
    pages = array("I", bytes(4 * (_PAGES + 1)))
    cells, pool = array("I"), array("I")
    for character, kind, folded in _cells():
        page = ord(character) >> 8
        if not pages[page]:
            cells.extend(array("I", bytes(4 * 256)))
            pages[page] = pages[_PAGES] = len(cells) // 256
        cells[(pages[page] - 1) * 256 + (ord(character) & 0xFF)] = kind | len(pool) << 8 if kind & _FOLDED else kind
        pool.extend(map(ord, folded))
    if array("I").itemsize != 4:
        raise RuntimeError(f"unsigned int has {array('I').itemsize} bytes on {sys.platform}")
    return (pages + cells + pool).tobytes()


def _cells() -> Iterator[tuple[str, int, str]]:
    """Yield the characters that do not stand for themselves, their cell, and what goes into the pool."""
    for span in _ASSIGNED:
        for code in span:
            if code in _HANGUL or code in _SURROGATES:
                continue
            character = chr(code)
            if character.isspace():
                yield character, _WHITE, ""
                continue
            mapped = _mapped(character)
            bare = "".join(each for each in unicodedata.normalize("NFD", mapped) if not unicodedata.combining(each))
            bare = bare.replace("ς", "σ")  # which of the two str.lower gives depends on what follows
            if bare != character:
                yield character, _FOLDED | min(len(bare), _MOST) << 1 | (not mapped.isascii()), bare[:_MOST]


def _mapped(character: str) -> str:
    try:
        return idna.uts46_remap(character.lower(), std3_rules=False, transitional=False)
    except (idna.IDNAError, UnicodeError):
        return character
