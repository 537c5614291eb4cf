"""W3C extended logs (IIS, proxies): `#Fields:` names the columns, which may change in the middle of a file.

Source: W3C working draft WD-logfile-960323.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from mithaq.telemetry.errors import BadLine
from mithaq.telemetry.parsers.times import from_text

_DIRECTIVES: Final = (b"#Software:", b"#Version:", b"#Date:", b"#Fields:", b"#Start-Date:", b"#End-Date:", b"#Remark:")
_FIELDS: Final = "#Fields:"
_MAX_HEADER_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class W3cHeader:
    """The newest `#Fields` line of a log."""

    line: bytes = b""
    fields: tuple[str, ...] = ()

    def with_line(self, line: bytes) -> "W3cHeader":
        """Return the header after one more directive.

        Raises:
            BadLine: the list of fields is too long.
        """
        if not line.startswith(_FIELDS.encode()):
            return self
        if len(line) > _MAX_HEADER_BYTES:
            raise BadLine("the header of the log is too long")
        text = line.decode("utf-8", "replace").removeprefix(_FIELDS)
        return replace(self, line=line.rstrip(b"\r") + b"\n", fields=tuple(text.split()))

    def record(self, line: bytes) -> tuple[dict[str, object], datetime | None]:
        """Return a row as a record without its empty fields, and its time.

        Raises:
            BadLine: the row has another number of fields than its header.
        """
        cells = _cells(line.decode("utf-8", "replace").rstrip("\r"))
        if len(cells) != len(self.fields):
            raise BadLine(
                "the row has %(cells)d fields, its header names %(fields)d",
                cells=len(cells),
                fields=len(self.fields),
            )
        record: dict[str, object] = {
            name: value for name, value in zip(self.fields, cells, strict=True) if value not in {"-", ""}
        }
        stem, query = record.get("cs-uri-stem"), record.get("cs-uri-query")
        if isinstance(stem, str) and isinstance(query, str):
            record.setdefault("cs-uri", f"{stem}{'' if query.startswith('?') else '?'}{query}")
        return record, from_text(f"{record.get('date', '')}T{record.get('time', '')}")


def is_directive(line: bytes) -> bool:
    """Tell a W3C directive from a header line of Zeek and from a comment."""
    return line.startswith(_DIRECTIVES)


def w3c_header_of(lines: bytes) -> W3cHeader:
    """Rebuild a header from its kept line, so that a log is followed on after a restart."""
    header = W3cHeader()
    for line in lines.splitlines():
        if is_directive(line):
            header = header.with_line(line)
    return header


def _cells(text: str) -> list[str]:
    """Split a row at blanks; a cell in quotation marks may hold blanks, and doubled marks."""
    if '"' not in text:
        return text.split()
    cells, place = [], 0
    while place < len(text):
        if text[place] in " \t":
            place += 1
        elif text[place] == '"':
            cell, place = _quoted(text, place + 1)
            cells.append(cell)
        else:
            end = place
            while end < len(text) and text[end] not in " \t":
                end += 1
            cells.append(text[place:end])
            place = end
    return cells


def _quoted(text: str, start: int) -> tuple[str, int]:
    parts: list[str] = []
    while True:
        end = text.find('"', start)
        if end < 0:
            return "".join(parts) + text[start:], len(text)
        parts.append(text[start:end])
        if text[end + 1 : end + 2] != '"':
            return "".join(parts), end + 1
        parts.append('"')
        start = end + 2
