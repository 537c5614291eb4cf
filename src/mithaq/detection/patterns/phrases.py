r"""Texts that are looked for in lines as they stand, in any case: one scan of a block for all of them.

A text in a line may be spelled with escapes: `\\`, `\"` and `\/` are looked for as they are; a line with `\uXXXX` or
`\xNN` is decoded and looked into again. So a line is named whenever the value of a field has one of the texts, but
seldom otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    import hyperscan

Span = tuple[int, int]

_ESCAPE: Final = re.compile(rb"\\(?:u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2})")
_NEWEST: Final = 500


class Phrases:
    """A set of texts that grows; what was added is compiled when something is asked.

    Cost: a second for two gigabytes; 30 ms to compile the newest 500 texts, a second for all of 10,000.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._texts: list[str] = []
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
        found, end = set(), -1
        for at, _ in sorted(self._scan(block)):
            if at > end:
                start, end = _line_at(block, at)
                found.add((start, end))
        end = -1
        while escape := _ESCAPE.search(block, end + 1):
            start, end = _line_at(block, escape.start())
            if (start, end) not in found and self._scan(_unescaped(block[start:end])):
                found.add((start, end))
        return sorted(found)

    def of(self, line: bytes) -> list[str]:
        """Return which of the texts a line has, with its escapes undone or not."""
        if not self._numbers:
            return []
        found = {number for _, number in self._scan(line)}
        if _ESCAPE.search(line):
            found |= {number for _, number in self._scan(_unescaped(line))}
        return [self._texts[number] for number in sorted(found)]

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
            settled = self._settled.end if self._settled else 0
            if count - settled > _NEWEST:
                self._settled, self._newest, settled = _Compiled.of(self._texts, 0, count), None, count
            if count > settled and (self._newest is None or self._newest.end < count):
                self._newest = _Compiled.of(self._texts, settled, count)
            return [part for part in (self._settled, self._newest) if part is not None]


@dataclass(frozen=True, slots=True)
class _Compiled:
    """The texts up to a number."""

    database: hyperscan.Database
    end: int

    @staticmethod
    def of(texts: Sequence[str], first: int, end: int) -> _Compiled:
        import hyperscan  # only where a text is looked for at all

        expressions: list[bytes] = []
        numbers: list[int] = []
        for number in range(first, end):
            for spelled in _spellings(texts[number]):
                expressions.append(b"".join(b"\\x%02x" % byte for byte in spelled))
                numbers.append(number)
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        flags = [hyperscan.HS_FLAG_CASELESS] * len(numbers)
        database.compile(expressions=expressions, ids=numbers, elements=len(numbers), flags=flags)
        return _Compiled(database, end)


def _line_at(block: bytes, at: int) -> Span:
    """Return the line that has this byte."""
    end = block.find(b"\n", at)
    return block.rfind(b"\n", 0, at) + 1, len(block) if end < 0 else end


def _spellings(text: str) -> set[bytes]:
    """Return how a text stands in a line: as it is, and as JSON writes it, where a slash may be escaped, too."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return {each.encode("utf-8", "surrogatepass") for each in (text, quoted, quoted.replace("/", "\\/"))}


def _unescaped(line: bytes) -> bytes:
    """Return what the values of a line are: those of its JSON, or a log's with Zeek's escapes undone.

    Cost: some 10 microseconds for a line of a thousand bytes that are all escapes.
    """
    start = line.find(b"{")
    if start >= 0:
        try:
            return "\n".join(_leaves(msgspec.json.decode(line[start:]))).encode("utf-8", "surrogatepass")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    first, *parts = line.split(b"\\x")
    return first + b"".join(map(_undone, parts))


def _undone(part: bytes) -> bytes:
    try:
        return bytes.fromhex(part[:2].decode("ascii")) + part[2:]
    except ValueError:
        return b"\\x" + part


def _leaves(record: object) -> Iterator[str]:
    stack = [record]
    while stack:
        branch = stack.pop()
        if isinstance(branch, str):
            yield branch
        elif isinstance(branch, dict):
            stack.extend(branch.values())
        elif isinstance(branch, list):
            stack.extend(branch)
