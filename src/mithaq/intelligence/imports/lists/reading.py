"""Read plain lists, hosts files and CSV: one line is one entry, and a bad line is refused by its number.

Nothing here stores anything. A list is streamed, no line is held beyond the door's limit, and every step is linear in
the bytes, whatever they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from mithaq.intelligence.imports.lists.columns import read_columns
from mithaq.intelligence.imports.lists.entries import (
    MAX_DESCRIPTION_CHARS,
    BadLine,
    Entry,
    clean,
    not_a_value,
    observable_of,
)
from mithaq.intelligence.imports.lists.lines import Line, read_lines
from mithaq.intelligence.imports.lists.mapping import Mapping
from mithaq.intelligence.settings import LIST_FILE, Door
from mithaq.kernel.reason import Reason
from mithaq.standards.stix import Readable

_SINKS: Final = frozenset({"0.0.0.0", "127.0.0.1", "::", "::1"})  # noqa: S104 - what a hosts file sends a name to
_OWN_NAMES: Final = frozenset(
    {"localhost", "localhost.localdomain", "local", "broadcasthost", "0.0.0.0", "loopback"}  # noqa: S104
)
_OWN_PREFIX: Final = "ip6-"


def read_list(source: Readable, mapping: Mapping, door: Door = LIST_FILE) -> Iterator[Entry | BadLine]:
    """Return the entries of a list one by one, and the lines that are none.

    Comments, empty lines and a hosts file's own names are passed over. A value may be defanged, have a port, or be a
    name with a path.

    Raises:
        BadMapping: a column that the mapping names is not in the header.
        BadList: it is written in UTF-16 or UTF-32.
        TooMuch: more bytes or lines than the door lets in.
    """
    lines = read_lines(source, mapping.encoding, door)
    yield from _plain(lines, mapping) if mapping.form == "list" else read_columns(lines, mapping, door)


def _plain(lines: Iterator[Line], mapping: Mapping) -> Iterator[Entry | BadLine]:
    for number, text in lines:
        if isinstance(text, Reason):
            yield BadLine(number, text)
            continue
        value, comment = _split_comment(text.strip(), mapping.comments)
        first, *others = value.split() or [""]
        names = [name for name in others if not _is_own_name(name)]
        if others and (first in _SINKS or not names):
            yield from (_entry(number, name, mapping.type or "domain", comment) for name in names)
        elif value:
            yield _entry(number, value, mapping.type, comment)


def _split_comment(text: str, signs: Sequence[str]) -> tuple[str, str]:
    """Cut a comment off; within a line it begins after a blank, so that a URL keeps its fragment."""
    if text.startswith(tuple(signs)):
        return "", ""
    cuts = [at for sign in signs for blank in " \t" if (at := text.find(blank + sign)) >= 0]
    if not cuts:
        return text, ""
    rest = text[min(cuts) :].strip()
    sign = max((sign for sign in signs if rest.startswith(sign)), key=len)
    return text[: min(cuts)].strip(), clean(rest[len(sign) :], MAX_DESCRIPTION_CHARS)


def _is_own_name(name: str) -> bool:
    lowered = name.lower()
    return lowered in _OWN_NAMES or lowered.startswith(_OWN_PREFIX)


def _entry(number: int, raw: str, kind: str | None, comment: str) -> Entry | BadLine:
    observable = observable_of(raw, kind)
    if observable is None:
        return BadLine(number, not_a_value(raw, kind))
    return Entry(number, observable, description=comment)
