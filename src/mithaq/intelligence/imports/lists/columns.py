"""Read a CSV by its mapping: records, columns, and the source's own words and times."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from mithaq.intelligence.errors import BadMapping
from mithaq.intelligence.imports.lists.entries import (
    MAX_DESCRIPTION_CHARS,
    MAX_LABEL_CHARS,
    MAX_LABELS,
    MAX_NAME_CHARS,
    BadLine,
    Entry,
    clean,
    not_a_value,
    observable_of,
)
from mithaq.intelligence.imports.lists.lines import Line
from mithaq.intelligence.imports.lists.mapping import MAX_FIELDS, SINGLE, Column, Mapping
from mithaq.intelligence.settings import Door
from mithaq.kernel.reason import Reason
from mithaq.standards.observable import TYPES

MAX_RECORD_LINES: Final = 50
"""Lines that one quoted field may go on over."""

_LABEL_SIGNS: Final = re.compile(r"[,;|]")
_UNIX: Final = re.compile(r"[0-9]{9,10}(?:\.[0-9]{1,9})?|[0-9]{12,13}")
_MILLISECONDS: Final = 10**11


def read_columns(lines: Iterator[Line], mapping: Mapping, door: Door) -> Iterator[Entry | BadLine]:
    """Return the entries of a CSV and the lines that are none.

    Raises:
        BadMapping: a column that the mapping names is not in the header.
    """
    places: _Places | None = None if mapping.header else _places(mapping, None)
    for number, record in _records(lines, mapping, door):
        if isinstance(record, Reason):
            yield BadLine(number, record)
        elif places is None:
            places = _places(mapping, record)
        else:
            try:
                yield _read(number, record, places, mapping)
            except _Refused as refused:
                yield BadLine(number, refused.reason)


def _records(lines: Iterator[Line], mapping: Mapping, door: Door) -> Iterator[tuple[int, list[str] | Reason]]:
    for number, text in lines:
        if isinstance(text, Reason):
            yield number, text
            continue
        if not text.strip() or text.lstrip().startswith(mapping.comments):
            continue
        if mapping.multiline and text.count(mapping.quote) % 2:
            yield number, _joined(text, lines, mapping, door)
        else:
            yield number, _split([text], mapping)


def _joined(text: str, lines: Iterator[Line], mapping: Mapping, door: Door) -> list[str] | Reason:
    """Read on until the open quote is closed, within the limits of one record."""
    held, chars, is_open = [text], len(text), True
    for _, more in lines:
        if isinstance(more, Reason):
            return more
        held.append(more)
        chars += len(more)
        is_open ^= bool(more.count(mapping.quote) % 2)
        if not is_open:
            return _split([f"{line}\n" for line in held], mapping)
        if len(held) >= MAX_RECORD_LINES or chars > door.max_object_bytes:
            break
    return _OPEN_QUOTE


_OPEN_QUOTE: Final = Reason("line-not-csv", "a quote on this line is not closed", {},
                            "where fields go on over line ends, say `multiline` in the mapping")  # fmt: skip


def _split(lines: list[str], mapping: Mapping) -> list[str] | Reason:
    reader = csv.reader(lines, delimiter=mapping.delimiter, quotechar=mapping.quote, strict=True, skipinitialspace=True)
    try:
        record = next(reader, [])
    except csv.Error as error:
        if "end of data" in str(error):
            return _OPEN_QUOTE
        return Reason("line-not-csv", "the line is no CSV: %(detail)s", {"detail": str(error)[:120]})
    if len(record) > MAX_FIELDS:
        return Reason("line-not-csv", "the line has more than %(max)s fields", {"max": MAX_FIELDS})
    return record


@dataclass(frozen=True, slots=True)
class _Places:
    single: dict[str, int]
    labels: tuple[int, ...]


def _places(mapping: Mapping, header: list[str] | None) -> _Places:
    titles = [title.strip().lower() for title in header or []]

    def place(column: Column) -> int:
        if isinstance(column, int):
            return column
        if column.strip().lower() not in titles:
            raise BadMapping("the header has no column “%(column)s”", subject=mapping.origin, column=column[:100])
        return titles.index(column.strip().lower())

    named = {name: getattr(mapping.columns, name) for name in SINGLE}
    single = {name: place(column) for name, column in named.items() if column is not None}
    return _Places(single, tuple(place(column) for column in mapping.columns.labels))


class _Refused(Exception):
    """Ends the reading of one line; the reason is the line's."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason


def _read(number: int, record: list[str], places: _Places, mapping: Mapping) -> Entry | BadLine:
    def field(name: str) -> str:
        return _field(record, places.single.get(name))

    kind = _kind(field("type"), mapping) or mapping.type
    observable = observable_of(field("value"), kind)
    if observable is None:
        return BadLine(number, not_a_value(field("value"), kind))
    times = {name: _time(field(name), mapping.time_format) for name in _TIMES}
    return Entry(
        number,
        observable,
        name=clean(field("name"), MAX_NAME_CHARS),
        description=clean(field("description"), MAX_DESCRIPTION_CHARS),
        labels=_labels(record, places.labels),
        confidence=_confidence(field("confidence"), mapping),
        **times,
    )


_TIMES: Final = ("first_seen", "last_seen", "valid_until")


def _field(record: list[str], place: int | None) -> str:
    if place is None:
        return ""
    if place >= len(record):
        raise _Refused(
            Reason(
                "line-too-short",
                "the line has %(count)s fields, and field %(place)s is needed",
                {"count": len(record), "place": place + 1},
            )
        )
    return record[place].strip()


def _kind(text: str, mapping: Mapping) -> str | None:
    word = text.lower()
    if not word:
        return None
    kind = mapping.types.get(word) or (word if word in TYPES else None)
    if kind is None:
        raise _Refused(
            Reason(
                "line-of-unknown-type",
                "the type “%(type)s” is not in the mapping",
                {"type": clean(text, 80)},
                "add it to `types` in the mapping",
            )
        )
    return kind


def _confidence(text: str, mapping: Mapping) -> int | None:
    if not text:
        return mapping.confidence
    known = mapping.confidences.get(text.lower())
    if known is not None:
        return known
    if text.isascii() and text.isdecimal() and len(text) <= 3 and int(text) <= 100:
        return int(text)
    raise _Refused(
        Reason(
            "line-with-bad-confidence",
            "“%(value)s” is no confidence from 0 to 100",
            {"value": clean(text, 80)},
            "translate the source's words with `confidences` in the mapping",
        )
    )


def _time(text: str, time_format: str | None) -> datetime | None:
    """Read a time; one without an offset is UTC."""
    if not text:
        return None
    read: Callable[[str], datetime] = _any_time if time_format is None else _formatted(time_format)
    try:
        at = read(text[:64])
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise _Refused(
            Reason(
                "line-with-bad-time",
                "“%(value)s” is no time that can be read",
                {"value": clean(text, 80)},
                "name the format with `time_format` in the mapping",
            )
        ) from error
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _any_time(text: str) -> datetime:
    if _UNIX.fullmatch(text):
        seconds = float(text)
        return datetime.fromtimestamp(seconds / 1000 if seconds > _MILLISECONDS else seconds, UTC)
    return datetime.fromisoformat(text.removesuffix(" UTC"))


def _formatted(time_format: str) -> Callable[[str], datetime]:
    return lambda text: datetime.strptime(text, time_format)  # noqa: DTZ007 - made aware by the caller


def _labels(record: list[str], places: Sequence[int]) -> tuple[str, ...]:
    """Return the labels of a line, each once, at most the first twenty."""
    said = [label for place in places for label in _LABEL_SIGNS.split(_field(record, place))]
    kept = (clean(label, MAX_LABEL_CHARS) for label in said)
    return tuple(dict.fromkeys(label for label in kept if label))[:MAX_LABELS]
