"""Cut a bundle into its objects' original bytes, as a stream, without re-serialising anything.

The scanner follows only strings and brackets. Whether an object is good JSON is found when it is parsed, so one bad
object costs itself alone; only a broken frame (an unclosed bracket, text where an object should stand) ends the work.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from mithaq.kernel.reason import Reason
from mithaq.standards.errors import BadBundle

DEFAULT_MAX_OBJECT_BYTES: Final = 8 * 1024 * 1024
DEFAULT_MAX_DEPTH: Final = 64
_CHUNK_BYTES: Final = 256 * 1024
_MAX_KEY_BYTES: Final = 1024
_BOM: Final = b"\xef\xbb\xbf"

# Possessive and atomic: each byte is looked at once, whatever the input.
_FILLER: Final = re.compile(rb'(?>[^][{}"]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)
_SHALLOW_LEVELS: Final = 5
_STRING_REST: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_SPACE: Final = re.compile(rb"[ \t\r\n]*+")
_SCALAR: Final = re.compile(rb"[^\s,\[\]{}\"]*+")


def _shallow() -> bytes:
    """Return what takes the inside of one value in brackets of a few levels: nearly every object, in one step."""
    level = filler = rb'(?>[^][{}"]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+'
    for _ in range(_SHALLOW_LEVELS - 1):
        level = rb"%b(?:[{[]%b[]}]%b)*+" % (filler, level, filler)
    return level


_SHALLOW: Final = re.compile(rb"[{[]%b[]}]" % _shallow(), re.DOTALL)
_NEXT: Final = re.compile(rb"[ \t\r\n]*+,[ \t\r\n]*+(\{%b[]}])" % _shallow(), re.DOTALL)
"""The comma and the object after it, where both are wholly there."""

_OPENING: Final = re.compile(rb'[ \t\r\n]*+,[ \t\r\n]*+(\{)[ \t\r\n]*+"[^"\\]{0,64}+"[ \t\r\n]*+:')
"""The comma and the beginning of the object after it."""

_read_values: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_ID: Final = re.compile(rb'"id"[ \t\r\n]*+:[ \t\r\n]*+"([!#-\[\]-~]{1,200})"')


class Readable(Protocol):
    """Anything that gives bytes in pieces, an open file for instance."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, empty at the end."""
        ...


class Piece(msgspec.Struct, frozen=True, gc=False):
    """One object of a bundle, byte for byte."""

    index: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """One element of a bundle that is no acceptable object."""

    index: int
    id: str
    reason: Reason


def split_bundle(
    source: bytes | Readable,
    *,
    max_object_bytes: int = DEFAULT_MAX_OBJECT_BYTES,
    max_depth: int = DEFAULT_MAX_DEPTH,
) -> Iterator[Piece | Refused]:
    """Yield the original bytes of each object of a bundle, in order, holding one object in memory at a time.

    A bundle, a TAXII envelope, a JSON array of objects, a single object, and lines of objects (NDJSON) are all read.

    Raises:
        BadBundle: not JSON, or the frame around the objects is broken; what came before was yielded.
    """
    yield from _Scanner(source, max_object_bytes, max_depth).run()


def likely_id(body: bytes) -> str:
    """Return what looks like the object's id, only to name it in a complaint."""
    match = _ID.search(body)
    return match.group(1).decode("ascii") if match else ""


def nesting_exceeds(body: bytes, max_depth: int) -> bool:
    """Tell whether brackets outside strings nest deeper than `max_depth`, in one pass."""
    if body.count(b"{") + body.count(b"[") <= max_depth:
        return False
    depth = position = 0
    while True:
        match = _FILLER.match(body, position)
        position = match.end() if match else position
        mark = body[position : position + 1]
        if mark in {b"{", b"["}:
            depth += 1
            if depth > max_depth:
                return True
        elif mark in {b"}", b"]"}:
            depth -= 1
        else:
            return False
        position += 1


class _Scanner:
    """Walk the frame; `_at` is the next byte of `_data`, `_start` the byte from which bytes are kept, or None."""

    def __init__(self, source: bytes | Readable, max_object_bytes: int, max_depth: int) -> None:
        self._read = (lambda _size: b"") if isinstance(source, bytes) else source.read
        self._data = source if isinstance(source, bytes) else b""
        self._at = 0
        self._dropped = 0
        self._dropped_id = ""
        self._start: int | None = None
        self._max_object_bytes = max_object_bytes
        self._max_depth = max_depth
        self._index = 0
        self._looked_through = 0

    def run(self) -> Iterator[Piece | Refused]:
        if self._peek() == _BOM[:1]:
            self._skip_bom()
        if not self._space():
            raise self._broken("it is empty")
        while self._space():
            opening = self._peek()
            if opening == b"[":
                yield from self._elements()
            elif opening == b"{":
                yield from self._object_or_container()
            else:
                raise self._broken("no JSON object or list")

    def _object_or_container(self) -> Iterator[Piece | Refused]:
        """Read one top-level object: a container if it has a list under `objects`, else a STIX object itself."""
        self._start = self._at
        self._at += 1
        was_container = False
        first = True
        while self._space() and self._peek() != b"}":
            if not first:
                self._take(b",")
                self._space()
            first = False
            key = self._key()
            self._space()
            self._take(b":")
            self._space()
            if key == b'"objects"' and self._peek() == b"[":
                if was_container:
                    raise self._broken("the key objects stands twice")
                was_container = True
                self._start = None
                yield from self._elements()
            else:
                self._skip_value()
        self._take(b"}")
        if not was_container:
            yield self._finish(self._too_large_or_deep(0))
        self._start = None

    def _elements(self) -> Iterator[Piece | Refused]:
        self._take(b"[")
        self._space()
        while self._peek() != b"]":
            yield self._element()
            yield from self._plain_elements()
            self._space()
            if self._peek() == b"]":
                break
            self._take(b",")
            self._space()
            if self._peek() == b"]":
                raise self._broken("a value expected")
        self._take(b"]")

    def _plain_elements(self) -> Iterator[Piece]:
        """Read on while what follows is wholly there, an object, and within the limits."""
        if self._max_depth < _SHALLOW_LEVELS:
            return
        while True:
            read = self._dropped + len(self._data)
            if read != self._looked_through:  # once only: where something is not good JSON they go one by one
                self._looked_through = read
                yield from self._good_elements()
            found = _NEXT.match(self._data, self._at)
            if found is None or found.end() - found.start(1) > self._max_object_bytes:
                return
            self._at = found.end()
            yield self._piece(found.group(1))

    def _good_elements(self) -> Iterator[Piece]:
        """Read what lies before the last object that has begun, where all of it is good JSON and within the limits.

        Objects of one list mostly begin alike, and otherwise than what they hold. Whether this one stands in the list
        itself follows from what is before it: that is whole values with commas between them, or no good JSON.
        """
        opening = _OPENING.match(self._data, self._at)
        if opening is None:
            return
        end = self._data.rfind(opening.group(), opening.end())
        if end < 0:
            return
        try:
            bodies = list(map(bytes, _read_values(b"[%b]" % self._data[opening.start(1) : end])))
        except (msgspec.DecodeError, RecursionError):
            return
        if all(map(self._is_plain, bodies)):
            self._at = end
            yield from map(self._piece, bodies)

    def _is_plain(self, body: bytes) -> bool:
        """Tell whether a value is an object within the limits."""
        is_small = body.startswith(b"{") and len(body) <= self._max_object_bytes
        return is_small and not nesting_exceeds(body, self._max_depth)

    def _piece(self, body: bytes) -> Piece:
        index, self._index = self._index, self._index + 1
        return Piece(index, body)

    def _element(self) -> Piece | Refused:
        is_object = self._peek() == b"{"
        self._dropped_id = ""
        self._start = self._at
        refusal = self._too_large_or_deep(self._skip_value())
        if not is_object and refusal is None:
            refusal = Reason("not-an-object", "an element of the list is no JSON object")
        piece = self._finish(refusal)
        self._start = None
        return piece

    def _finish(self, refusal: Reason | None) -> Piece | Refused:
        body = b"" if self._start is None else self._data[self._start : self._at]
        if self._start is not None and refusal is None:
            return self._piece(body)
        index, self._index = self._index, self._index + 1
        if self._start is None:
            return Refused(index, self._dropped_id, refusal or self._too_large())
        return Refused(index, likely_id(body), refusal or self._too_large())

    def _too_large_or_deep(self, depth: int) -> Reason | None:
        if self._start is None or self._at - self._start > self._max_object_bytes:
            return self._too_large()
        if depth > self._max_depth:
            return Reason("too-deep", "nested deeper than %(max)s levels", {"max": self._max_depth})
        return None

    def _too_large(self) -> Reason:
        return Reason("too-large", "larger than the limit of %(max)s bytes", {"max": self._max_object_bytes})

    def _skip_value(self) -> int:
        """Move past one value; return how deep its brackets nest at most."""
        opening = self._peek()
        if opening in {b"{", b"["}:
            return self._skip_brackets()
        if opening == b'"':
            self._at += 1
            self._skip_string_rest()
        else:
            before = self._at + self._dropped
            self._run_through(_SCALAR)
            if self._at + self._dropped == before:
                raise self._broken("a value expected")
        return 0

    def _skip_brackets(self) -> int:
        whole = _SHALLOW.match(self._data, self._at) if self._max_depth >= _SHALLOW_LEVELS else None
        if whole is not None:
            self._at = whole.end()
            return _SHALLOW_LEVELS
        depth = deepest = 0
        while True:
            self._run_through(_FILLER)
            mark = self._peek()
            self._at += 1
            if mark == b'"':
                self._skip_string_rest()
            elif mark in {b"{", b"["}:
                depth += 1
                deepest = max(deepest, depth)
            elif mark in {b"}", b"]"}:
                depth -= 1
                if depth == 0:
                    return deepest
            else:
                raise self._broken("it ends in the middle of an object")

    def _skip_string_rest(self) -> None:
        while True:
            match = _STRING_REST.match(self._data, self._at)
            self._at = match.end() if match else self._at
            if self._data[self._at : self._at + 1] == b'"':
                self._at += 1
                return
            if not self._more():
                raise self._broken("it ends in the middle of a text")

    def _run_through(self, expression: re.Pattern[bytes]) -> None:
        """Move past everything the expression takes, over the edges of chunks."""
        while True:
            match = expression.match(self._data, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._data) or not self._more():
                return

    def _key(self) -> bytes:
        if self._peek() != b'"':
            raise self._broken("a key expected")
        while True:
            match = _STRING_REST.match(self._data, self._at + 1)
            end = match.end() if match else self._at + 1
            is_complete = self._data[end : end + 1] == b'"'
            if end - self._at > _MAX_KEY_BYTES or not (is_complete or self._more()):
                raise self._broken("a key that does not end")
            if is_complete:
                key = self._data[self._at : end + 1]
                self._at = end + 1
                return key

    def _space(self) -> bool:
        """Move past white space; tell whether anything follows."""
        self._run_through(_SPACE)
        return self._at < len(self._data)

    def _peek(self) -> bytes:
        if self._at >= len(self._data):
            self._more()
        return self._data[self._at : self._at + 1]

    def _take(self, mark: bytes) -> None:
        if self._peek() != mark:
            raise self._broken(f"{mark.decode()} expected")
        self._at += 1

    def _skip_bom(self) -> None:
        while len(self._data) < len(_BOM) and self._more():
            pass
        if self._data.startswith(_BOM):
            self._at = len(_BOM)

    def _more(self) -> bool:
        """Read on; forget what is behind, and an object that has grown past its limit."""
        if self._start is not None and self._at - self._start > self._max_object_bytes:
            self._dropped_id = likely_id(self._data[self._start : self._at])
            self._start = None
        keep_from = self._at if self._start is None else self._start
        # A run that ended at the edge may be continued, so bytes not yet passed stay.
        chunk = self._read(_CHUNK_BYTES)
        if not chunk:
            return False
        self._data = self._data[keep_from:] + chunk
        self._dropped += keep_from
        self._at -= keep_from
        if self._start is not None:
            self._start = 0
        return True

    def _broken(self, detail: str) -> BadBundle:
        return BadBundle(
            "the bundle is broken at byte %(byte)s, after %(count)s objects: %(detail)s",
            byte=self._at + self._dropped + 1,
            count=self._index,
            detail=detail,
        )
