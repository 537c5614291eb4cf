"""The next lines of one file, whatever it is, and the position that follows them."""

import hashlib
from dataclasses import replace
from typing import Final

from mithaq.telemetry.contents import Content, Plain
from mithaq.telemetry.evtx import TOLD
from mithaq.telemetry.lines import Chunk
from mithaq.telemetry.model import BrokenLine
from mithaq.telemetry.settings import TelemetryLimits
from mithaq.telemetry.spool import PLACE
from mithaq.telemetry.store import Position

FINGERPRINT_BYTES: Final = 1024


def next_chunk(
    content: Content, position: Position, limits: TelemetryLimits, *, base: int, is_over: bool, is_spool: bool = False
) -> Chunk | None:
    """Return the next lines of a file, or None where there are none by now.

    `base` is added to a line's offset to make its place. A file ends, and its position closes, where its format
    says so, or where nothing more `is_over` expected; its last line may lack its line feed, and a compressed file
    that was cut or is damaged is told as a broken line.
    """
    block = content.read(position.offset, limits.read_bytes)
    end = block.rfind(b"\n") + 1
    if end:
        return _lines(content, position, block[:end], limits, base, is_spool=is_spool)
    if len(block) > limits.max_line_bytes:
        return Chunk(_after(content, position, len(block), skipping=True))
    if not (is_over or content.is_whole()):
        return None
    chunk = _lines(content, position, block, limits, base, is_spool=is_spool)
    size, modified_ns = content.state()
    closed = replace(chunk.position, closed=True, size=size, modified_ns=modified_ns)
    if not content.trouble:
        return replace(chunk, position=closed)
    reason = f"the rest of the file cannot be read: {content.trouble}"
    told = BrokenLine(position.source, closed.line + 1, closed.offset, reason)
    return replace(chunk, position=closed, broken=(*chunk.broken, told))


def gap(position: Position) -> Chunk:
    """Say that the rest of a file is gone: deleted or moved elsewhere before it was read."""
    reason = "the file was rotated away or deleted; lines after this place may be missing"
    told = BrokenLine(position.source, position.line + 1, position.offset, reason)
    return Chunk(replace(position, closed=True), broken=(told,))


def digest(content: Content, size: int) -> str:
    """Return the fingerprint of a file's first bytes."""
    return hashlib.sha256(content.read(0, size)).hexdigest() if size else ""


def same_head(content: Content, position: Position) -> bool:
    """Tell whether a file begins with what was read of another."""
    return digest(content, position.fingerprint_bytes) == position.fingerprint


def _lines(
    content: Content, position: Position, block: bytes, limits: TelemetryLimits, base: int, *, is_spool: bool
) -> Chunk:
    place = base if position.base is None else position.base
    marked = 0
    if is_spool and block.startswith(PLACE):
        marked = block.find(b"\n") + 1 or len(block)
        mark = block[len(PLACE) : marked].strip().partition(b" ")[0]
        place = int(mark or b"0") - position.offset - marked  # a crash may have cut it, and what it was for
        position = replace(position, base=place)
    following = block.find(b"\n" + PLACE, max(0, marked - 1)) + 1 if is_spool else 0
    taken = following or len(block)
    text, broken = _blanked(content, position, block[marked:taken], position.offset + marked, limits)
    after = _after(content, position, taken, line=position.line + _line_count(text))
    offset = position.offset + marked
    return Chunk(after, text, position.line + 1, offset, place + offset, tuple(broken))


def _blanked(
    content: Content, position: Position, text: bytes, offset: int, limits: TelemetryLimits
) -> tuple[bytes, list[BrokenLine]]:
    """Refuse what is too long, the rest of a line whose beginning was, and what is unreadable: blanks keep places."""
    may_be_told = not isinstance(content, Plain) and TOLD in text
    if not position.skipping and not may_be_told and not _has_longer(text, limits.max_line_bytes):
        return text, []
    lines = text.split(b"\n")
    broken = []
    for place, line in enumerate(lines):
        length = len(line)
        reason = ""
        if length > limits.max_line_bytes or (position.skipping and place == 0):
            reason = f"longer than {limits.max_line_bytes} bytes"
        elif may_be_told and line.startswith(TOLD):
            reason = f"a record cannot be read: {line.removeprefix(TOLD).decode('utf-8', 'replace')}"
        if reason:
            broken.append(BrokenLine(position.source, position.line + 1 + place, offset, reason))
            lines[place] = b" " * length
        offset += length + 1
    return b"\n".join(lines), broken


def _has_longer(text: bytes, most: int) -> bool:
    """Tell whether a line is longer than this; only the ends of a few lines are looked at."""
    start = 0
    while len(text) - start > most:
        end = text.rfind(b"\n", start, start + most + 1)
        if end < 0:
            return True
        start = end + 1
    return False


def _line_count(text: bytes) -> int:
    return text.count(b"\n") + (text[-1:] not in {b"\n", b""})


def _after(
    content: Content, position: Position, taken: int, *, line: int | None = None, skipping: bool = False
) -> Position:
    offset = position.offset + taken
    fingerprint, size = position.fingerprint, position.fingerprint_bytes
    if size < FINGERPRINT_BYTES and isinstance(content, Plain):
        size = min(offset, FINGERPRINT_BYTES)
        fingerprint = digest(content, size)
    file_size, modified_ns = content.state() if isinstance(content, Plain) else (0, 0)
    return replace(
        position,
        offset=offset,
        line=position.line if line is None else line,
        fingerprint=fingerprint,
        fingerprint_bytes=size,
        skipping=skipping,
        size=file_size,
        modified_ns=modified_ns,
    )
