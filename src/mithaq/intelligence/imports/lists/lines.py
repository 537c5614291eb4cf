"""Cut a file into lines of text under the limits of its door: streaming, and linear whatever the bytes are."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Final

from mithaq.intelligence.errors import BadList, TooMuch
from mithaq.intelligence.settings import Door
from mithaq.kernel.reason import Reason
from mithaq.standards.stix import Readable

Line = tuple[int, str | Reason]
"""A line's number, from 1, and its text without its end, or why it cannot be read."""

_BLOCK_BYTES: Final = 256 * 1024


def read_lines(source: Readable, encoding: str, door: Door) -> Iterator[Line]:
    """Return the lines of a file; no line is held beyond the door's limit.

    Raises:
        BadList: it is written in UTF-16 or UTF-32.
        TooMuch: more bytes or lines than the door lets in.
    """
    for number, line in enumerate(_lines(source, door), 1):
        if number > door.max_objects:
            raise TooMuch("more than the %(max)s lines this door lets in", subject=door.name, max=door.max_objects)
        if line is None:
            yield number, Reason("line-too-long", "the line is longer than %(max)s bytes",
                                 {"max": door.max_object_bytes})  # fmt: skip
        else:
            yield number, _decoded(_without_mark(line) if number == 1 else line, encoding)


def _lines(source: Readable, door: Door) -> Iterator[bytes | None]:
    """Cut what is read at line ends of any kind; None stands for a line longer than the door lets in."""
    rest, is_long, read = b"", False, 0
    while block := source.read(_BLOCK_BYTES):
        read += len(block)
        if read > door.max_bytes:
            raise TooMuch("larger than the %(max)s bytes this door lets in", subject=door.name, max=door.max_bytes)
        pieces = (rest + block).splitlines(keepends=True)
        # A carriage return at the end may be half a line end; whatever has none yet goes on in the next block.
        rest = pieces.pop() if not pieces[-1].endswith(b"\n") else b""
        for piece in pieces:
            yield None if is_long or len(piece) > door.max_object_bytes else piece
            is_long = False
        if len(rest) > door.max_object_bytes:
            is_long, rest = True, rest[-1:] if rest.endswith(b"\r") else b""
    if rest or is_long:
        yield None if is_long else rest


def _decoded(line: bytes, encoding: str) -> str | Reason:
    if b"\x00" in line:
        return Reason("line-with-nul", "the line holds a NUL byte", remedy="export the list as plain text")
    try:
        return line.decode(encoding).rstrip("\r\n")
    except UnicodeDecodeError:
        return Reason("line-not-in-encoding", "the line is not written in %(encoding)s", {"encoding": encoding},
                      "name the list's encoding in its mapping")  # fmt: skip


def _without_mark(line: bytes) -> bytes:
    if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise BadList("it is written in UTF-16 or UTF-32; save it as UTF-8")
    return line.removeprefix(codecs.BOM_UTF8)
