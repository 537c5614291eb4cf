"""Look up many pasted values at once: what each one is, and the newest objects that name it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select, text

from mithaq.intelligence import reading
from mithaq.intelligence.bits import Window
from mithaq.intelligence.errors import TooMuch
from mithaq.intelligence.finding import holding_in, standing_in
from mithaq.intelligence.postings import SEGMENT_BITS, SEGMENT_REACH, segments_near
from mithaq.intelligence.settings import CHUNK_OBJECTS, MAX_LOOKUP_LINES
from mithaq.intelligence.tables import objects
from mithaq.intelligence.tokens import index_key
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.lane import Lane
from mithaq.standards.defang import extract, refang_value
from mithaq.standards.observable import Observable, recognise
from mithaq.standards.tlp import Tlp

SHOWN: Final = 5
"""Objects told of one value; `more` says that there are others."""

_NEWEST: Final = 20
"""Rows fetched of one value before it is known which of them stand."""

_SEGMENT_BYTES: Final = SEGMENT_REACH // 8
_SQLITE: Final = text(
    "SELECT wanted.key, (SELECT json_group_array(object) FROM (SELECT object FROM object_observables "
    "WHERE type = json_extract(wanted.value, '$[0]') AND key = json_extract(wanted.value, '$[1]') "
    "ORDER BY object DESC LIMIT :count)) FROM json_each(:wanted) AS wanted"
)
_POSTGRES: Final = text(
    "SELECT wanted.place - 1, ARRAY(SELECT object FROM object_observables AS named "
    "WHERE named.type = wanted.type AND named.key = wanted.key ORDER BY object DESC LIMIT :count) "
    "FROM unnest(CAST(:types AS text[]), CAST(:keys AS text[])) WITH ORDINALITY AS wanted (type, key, place)"
)
_BRIEFS: Final = select(
    objects.c.row, objects.c.stix_id, objects.c.type, objects.c.name, objects.c.tlp, objects.c.stored_at
).where(objects.c.row.in_(bindparam("rows", expanding=True)))


@dataclass(frozen=True, slots=True)
class Brief:
    """What is told of one object beside a value it names."""

    row: int
    id: str
    type: str
    name: str
    tlp: Tlp
    stored_at: datetime

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "id": self.id,
            "type": self.type,
            "name": self.name,
            "tlp": self.tlp.label,
            "stored": rfc3339(self.stored_at),
        }


@dataclass(frozen=True, slots=True)
class LookedUp:
    """One value of one line (counted from 1) with the newest standing objects that name it.

    `observable` is None where nothing on the line could be recognised.
    """

    line: int
    written: str
    observable: Observable | None
    objects: tuple[Brief, ...] = ()
    more: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the answer as JSON values, for `--json` and the API."""
        return {
            "line": self.line,
            "written": self.written,
            "type": self.observable.type if self.observable else None,
            "value": self.observable.value if self.observable else None,
            "known": bool(self.objects),
            "more": self.more,
            "objects": [each.as_json() for each in self.objects],
        }


def look_up(connection: Connection, lines: Sequence[str], lane: Lane) -> list[LookedUp]:
    """Return what is known of the value on each line, in order; empty lines are left out.

    A line is one value in any spelling, or a few words around some: then each value is an answer of its own.

    Cost: some 50 µs a line, whatever is held.

    Raises:
        TooMuch: there are more lines than are looked up at once.
    """
    if len(lines) > MAX_LOOKUP_LINES:
        raise TooMuch("more than the %(max)s lines looked up at once", subject="lines", max=MAX_LOOKUP_LINES)
    asked = [item for number, line in enumerate(lines, 1) for item in _read(number, line)]
    wanted = list(dict.fromkeys(key for _, _, observable in asked for key in _keys(observable)))
    naming = _standing(connection, _newest(connection, wanted), lane)
    shown = {row for rows in naming.values() for row in rows[:SHOWN]}
    told = briefs(connection, sorted(shown))
    answers = []
    for number, written, observable in asked:
        rows = sorted({row for key in _keys(observable) for row in naming[key]}, reverse=True)
        found = tuple(told[row] for row in rows[:SHOWN] if row in told)
        answers.append(LookedUp(number, written, observable, found, len(rows) > SHOWN))
    return answers


def _read(number: int, line: str) -> list[tuple[int, str, Observable | None]]:
    written = line.strip()
    if not written:
        return []
    whole = recognise(refang_value(written))
    if whole is not None:
        return [(number, written, whole)]
    parts: list[tuple[int, str, Observable | None]] = [
        (number, item.written, item.observable) for item in extract(written) if item.observable is not None
    ]
    return parts or [(number, written[:200], None)]


_Key = tuple[str, str]


def _keys(observable: Observable | None) -> tuple[_Key, ...]:
    """Return where a value is looked for; 32 hexadecimal digits may be a JA3 as well as an MD5."""
    if observable is None:
        return ()
    key = index_key(observable)
    return (("md5", key), ("ja3", key)) if observable.type == "md5" else ((observable.type, key),)


def _newest(connection: Connection, wanted: Sequence[_Key]) -> dict[_Key, Sequence[int]]:
    """Return the newest rows that name each value, newest first."""
    found: dict[_Key, Sequence[int]] = {}
    is_sqlite = connection.dialect.name == "sqlite"
    for start in range(0, len(wanted), CHUNK_OBJECTS):
        chunk = wanted[start : start + CHUNK_OBJECTS]
        named: Mapping[str, Any] = (
            {"wanted": json.dumps(chunk)}
            if is_sqlite
            else {"types": [kind for kind, _ in chunk], "keys": [key for _, key in chunk]}
        )
        for place, rows in connection.execute(_SQLITE if is_sqlite else _POSTGRES, {**named, "count": _NEWEST}):
            found[chunk[place]] = json.loads(rows) if is_sqlite else rows
    return found


def _standing(connection: Connection, naming: Mapping[_Key, Sequence[int]], lane: Lane) -> dict[_Key, list[int]]:
    """Keep the rows that stand in the lane; where the newest ones were too many to tell, look at all."""
    stands = _lane_and_standing(connection, (row for rows in naming.values() for row in rows), lane)
    found = {key: [row for row in rows if row in stands] for key, rows in naming.items()}
    for (kind, key), rows in found.items():
        if len(rows) <= SHOWN and len(naming[kind, key]) == _NEWEST:
            found[kind, key] = reading.naming(connection, kind, key, lane)[::-1]
    return found


def _lane_and_standing(connection: Connection, rows: Iterable[int], lane: Lane) -> set[int]:
    of_segments: dict[int, list[int]] = {}
    for row in set(rows):
        for segment in segments_near(row):
            of_segments.setdefault(segment, []).append(row)
    segments = sorted(of_segments, reverse=True)
    found: set[int] = set()
    for start in range(0, len(segments), 128):
        asked = segments[start : start + 128]
        window = Window(asked, 0, (asked[0] + 2) << SEGMENT_BITS)
        standing = holding_in(connection, standing_in(lane), window)
        for segment in asked:
            bits, base = standing[segment], segment << SEGMENT_BITS
            standing_bytes = bits.to_bytes(_SEGMENT_BYTES, "little")
            places = ((row, row - base) for row in of_segments[segment])
            found.update(row for row, place in places if standing_bytes[place >> 3] >> (place & 7) & 1)
    return found


def briefs(connection: Connection, rows: Sequence[int]) -> dict[int, Brief]:
    """Return what is told of objects, by their rows."""
    found: dict[int, Brief] = {}
    for start in range(0, len(rows), CHUNK_OBJECTS):
        for row in connection.execute(_BRIEFS, {"rows": rows[start : start + CHUNK_OBJECTS]}):
            found[row.row] = Brief(row.row, row.stix_id, row.type, row.name, Tlp(row.tlp), row.stored_at)
    return found
