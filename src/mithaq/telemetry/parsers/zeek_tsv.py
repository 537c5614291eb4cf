"""Zeek's tab-separated logs: a header that names separator, fields and types, then one row a line.

Source: Zeek, `src/logging/writers/ascii/Ascii.cc` and the manual's "Zeek Log Formats and Inspection".
"""

import re
from dataclasses import dataclass, replace
from typing import Final

from mithaq.telemetry.errors import BadLine

_ESCAPE: Final = re.compile(r"\\x([0-9a-fA-F]{2})")
_VECTORS: Final = ("set[", "vector[")
_MAX_HEADER_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class TsvHeader:
    """The header lines of a log, as far as they have been seen."""

    lines: bytes = b""
    separator: str = "\t"
    set_separator: str = ","
    empty_field: str = "(empty)"
    unset_field: str = "-"
    path: str = ""
    fields: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    def with_line(self, line: bytes) -> "TsvHeader":
        """Return the header with one more of its lines; `#separator` begins a new one.

        Raises:
            BadLine: the header grows without end, or its separator is no character.
        """
        begun = TsvHeader() if line.startswith(b"#separator") else self
        if len(begun.lines) + len(line) > _MAX_HEADER_BYTES:
            raise BadLine("the header of the Zeek log is too long")
        text = line.decode("utf-8", "replace")
        name, _, value = text[1:].partition(" " if text.startswith("#separator") else begun.separator)
        grown = replace(begun, lines=begun.lines + line + b"\n")
        match name:
            case "separator":
                return replace(grown, separator=_unescape(value.strip()) or "\t")
            case "set_separator":
                return replace(grown, set_separator=value)
            case "empty_field":
                return replace(grown, empty_field=value)
            case "unset_field":
                return replace(grown, unset_field=value)
            case "path":
                return replace(grown, path=value)
            case "fields":
                return replace(grown, fields=tuple(value.split(begun.separator)))
            case "types":
                return replace(grown, types=tuple(value.split(begun.separator)))
            case _:
                return begun

    def record(self, line: bytes) -> dict[str, object]:
        """Return a row as a record; unset fields are left out, sets and vectors are lists.

        Raises:
            BadLine: there is no header yet, or the row has another number of fields.
        """
        if not self.fields:
            raise BadLine("a row of a Zeek log came before its #fields header")
        cells = line.decode("utf-8", "replace").split(self.separator)
        if len(cells) != len(self.fields):
            raise BadLine(
                "the row has %(cells)d fields, its header names %(fields)d",
                cells=len(cells),
                fields=len(self.fields),
            )
        types = self.types if len(self.types) == len(cells) else ("string",) * len(cells)
        triples = zip(self.fields, types, cells, strict=True)
        return {field: self._value(kind, cell) for field, kind, cell in triples if cell != self.unset_field}

    def _value(self, kind: str, cell: str) -> object:
        if kind.startswith(_VECTORS):
            if cell == self.empty_field:
                return []
            return [_unescape(item) for item in cell.split(self.set_separator) if item != self.unset_field]
        if kind in {"time", "double", "interval"}:
            return _number(cell, float)
        if kind in {"port", "count", "int"}:
            return _number(cell, int)
        return "" if cell == self.empty_field else _unescape(cell)


def header_of(lines: bytes) -> TsvHeader:
    """Rebuild a header from its kept lines, so that a log is followed on after a restart."""
    header = TsvHeader()
    for line in lines.splitlines():
        header = header.with_line(line)
    return header


def _number(cell: str, kind: type[int] | type[float]) -> object:
    try:
        return kind(cell)
    except ValueError:
        return cell


def _unescape(text: str) -> str:
    """Undo Zeek's `\\xNN`; adjacent escapes may be one UTF-8 character."""
    if "\\x" not in text:
        return text
    raw = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
    try:
        return raw.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return raw
