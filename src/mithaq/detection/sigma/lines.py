r"""Keywords in the raw line: one small index for each kind of rules, and the escapes of JSON that hide text.

A keyword is sought in the bytes of a line. A rule that needs a channel or a number has its keywords in an index of its
own kind, so that an event of another channel is not searched for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from mithaq.detection.sigma import settings
from mithaq.detection.sigma.fields import canonical_name
from mithaq.detection.sigma.memory import Column, Verdict
from mithaq.detection.sigma.model import JSON_LINE, LINE, Predicate
from mithaq.standards.sigma import LogSource

Needs = tuple[frozenset[Predicate], ...]
"""Predicates of each set of which one must be true for a rule to be."""

HIDES: Final = 0
ESCAPES: Final = Predicate(JSON_LINE, "like-cased", r"[^\\](?:\\\\)*\\[u/]")
"""Escapes that hide text from a search of the bytes; a backslash that is escaped itself begins none.

Every index of JSON lines has it under the number `HIDES`: one more pattern costs less than a search of its own.
"""
_SEP: Final = "\0"


def indexed(predicate: Predicate, route: LogSource, needed: Needs) -> Predicate:
    """Return a predicate under the name of its index: its field, or for a keyword what its rule needs."""
    if predicate.field in (LINE, JSON_LINE):
        needs = (_SEP.join(sorted(f"{each.field} {each.value}" for each in some)) for some in needed)
        name = _SEP.join((predicate.field, route.product, route.category, route.service, *needs))
    else:
        name = canonical_name(predicate.field)
    return predicate if name == predicate.field else msgspec.structs.replace(predicate, field=name)


def names_of(line: str, names: Iterable[str]) -> list[str]:
    """Return those names that are of indexes of such lines, `LINE` or `JSON_LINE`."""
    return sorted(name for name in names if name.startswith(line + _SEP))


def is_json(line: bytes) -> bool:
    """Tell whether a line is JSON, so that its texts are escaped."""
    return line[:1] == b"{" or line.lstrip()[:1] == b"{"


def verdicts(columns: Sequence[Column], line: bytes) -> tuple[Verdict, ...]:
    """Return what a line makes true in these columns; most lines hold no keyword. No escape hides one."""
    for column in columns:
        if column.index.scan(line):
            break
    else:
        return ()
    found = [column.index.scan(line) for column in columns]
    if HIDES in found[0]:
        without = _plain(line)
        found = [column.index.scan(without) for column in columns]
    return tuple(filter(None, map(Column.verdict, columns, found)))


def _plain(line: bytes) -> bytes:
    r"""Return a JSON line without the escapes that hide text from a byte search (`\u0065`, `\/`)."""
    if len(line) > settings.MAX_JSON_ESCAPES_BYTES:
        return line
    try:
        return msgspec.json.encode(msgspec.json.decode(line))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return line
