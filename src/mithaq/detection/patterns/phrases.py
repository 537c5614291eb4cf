r"""Texts that are looked for in lines as they stand, in any case: one scan of a block for all of them.

A text in a line may be spelled with escapes: `\\`, `\"` and `\/` are looked for as they are; a line with `\uXXXX` or
`\xNN` is read again with these undone, if it is a line at all of which something is asked. So a line is named
whenever the value of a field has one of the texts, but seldom otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final

import hyperscan

Span = tuple[int, int]

_FLAGS: Final = hyperscan.HS_FLAG_CASELESS
_ESCAPE: Final = rb"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2})"
_ESCAPED: Final = re.compile(rb"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|" + _ESCAPE + rb"|\\\\")
_NEWEST: Final = 500
_ESCAPES: Final = 0
"""The number of the expression that finds lines to be read again."""


class Phrases:
    """A set of texts that grows; what was added is compiled when something is asked.

    Cost: a second for two gigabytes; 30 ms to compile the newest 500 texts, a second for all of 10,000.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._texts: list[str] = [""]
        self._settled: _Compiled | None = None
        self._newest: _Compiled | None = None
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, texts: Iterable[str]) -> None:
        """Look for these too."""
        for text in texts:
            if text not in self._numbers:
                self._numbers[text] = len(self._texts)
                self._texts.append(text)

    def candidates(self, block: bytes) -> list[Span]:
        """Return where the lines lie that may have one of the texts, in order, their line feeds left out."""
        if not self._numbers:
            return []
        spans: dict[Span, bool] = {}
        start = end = -1
        for at, number in sorted(self._scan(block)):
            if at > end:
                start = block.rfind(b"\n", 0, at) + 1
                stop = block.find(b"\n", at)
                end = len(block) if stop < 0 else stop
                spans[start, end] = False
            if number != _ESCAPES:
                spans[start, end] = True
        return [span for span, is_found in spans.items() if is_found or self.of(block[slice(*span)])]

    def of(self, line: bytes) -> list[str]:
        """Return which of the texts a line has, with its escapes undone or not."""
        if not self._numbers:
            return []
        found = {number for _, number in self._scan(line)}
        if _ESCAPES in found:
            found |= {number for _, number in self._scan(_unescaped(line))}
        return [self._texts[number] for number in sorted(found - {_ESCAPES})]

    def _scan(self, text: bytes) -> list[tuple[int, int]]:
        """Return the place of each match's last byte, and what matched."""
        found: list[tuple[int, int]] = []

        def note(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
            found.append((end - 1, number))

        for part in self._ready() if text else ():
            part.database.scan(text, match_event_handler=note)
        return found

    def _ready(self) -> list[_Compiled]:
        with self._lock:
            count = len(self._texts)
            settled = self._settled.end if self._settled else 1
            if count - settled > _NEWEST:
                self._settled, self._newest, settled = _Compiled.of(self._texts, 1, count), None, count
            if count > settled and (self._newest is None or self._newest.end < count):
                self._newest = _Compiled.of(self._texts, settled, count)
            return [part for part in (self._settled, self._newest) if part is not None]


@dataclass(frozen=True, slots=True)
class _Compiled:
    """The texts up to a number, and the expression that finds lines with escapes."""

    database: hyperscan.Database
    end: int

    @staticmethod
    def of(texts: Sequence[str], first: int, end: int) -> _Compiled:
        expressions, numbers = [_ESCAPE], [_ESCAPES]
        for number in range(first, end):
            for spelled in _spellings(texts[number]):
                expressions.append(b"".join(b"\\x%02x" % byte for byte in spelled))
                numbers.append(number)
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        flags = [_FLAGS] * len(numbers)
        database.compile(expressions=expressions, ids=numbers, elements=len(numbers), flags=flags)
        return _Compiled(database, end)


def _spellings(text: str) -> set[bytes]:
    """Return how a text stands in a line: as it is, and as JSON writes it, where a slash may be escaped, too."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return {each.encode("utf-8", "surrogatepass") for each in (text, quoted, quoted.replace("/", "\\/"))}


def _unescaped(line: bytes) -> bytes:
    """Undo the escapes that hide characters."""
    return _ESCAPED.sub(_undone, line).replace(b"\n", b" ")


def _undone(match: re.Match[bytes]) -> bytes:
    high, low, found = match.groups()
    if high is not None:
        return chr(0x10000 + ((int(high, 16) & 0x3FF) << 10) + (int(low, 16) & 0x3FF)).encode()
    if found is None:
        return match[0]
    value = int(found[1:], 16)
    return bytes([value]) if found[:1] == b"x" else chr(value).encode("utf-8", "surrogatepass")
