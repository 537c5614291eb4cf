"""What the columns of a list mean: a small document beside the list, written once for each source."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from mithaq.intelligence.errors import BadMapping
from mithaq.intelligence.imports.lists.entries import MAX_LABEL_CHARS, MAX_LABELS
from mithaq.standards.observable import ObservableType

MAX_MAPPING_BYTES: Final = 64 * 1024
MAX_VALID_DAYS: Final = 3650
MAX_FIELDS: Final = 256
_MAX_ORIGIN_CHARS: Final = 200

Column = str | int
"""A column by its title (case does not count) or by its place, the first being 0."""

Encoding = Literal["utf-8", "windows-1256", "windows-1252"]


class Columns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where each thing stands in a line; what is not there is left out."""

    value: Column = 0
    type: Column | None = None
    name: Column | None = None
    description: Column | None = None
    labels: tuple[Column, ...] = ()
    confidence: Column | None = None
    first_seen: Column | None = None
    last_seen: Column | None = None
    valid_until: Column | None = None


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one list is read, and what is said of everything in it.

    `origin` names the list: the same value from the same origin is the same indicator. `form`: `list` has one value a
    line (a hosts file too), `csv` has columns. `comments`: signs that begin a comment. `multiline`: a quoted field may
    go on over line ends. `type`: what every value is, where it is not plain. `types` and `confidences` translate the
    source's own words. `time_format`: as `strptime` takes it, where the times are not ISO 8601 or Unix seconds.
    """

    origin: str
    form: Literal["list", "csv"] = "list"
    delimiter: str = ","
    quote: str = '"'
    comments: tuple[str, ...] = ("#",)
    header: bool = False
    encoding: Encoding = "utf-8"
    multiline: bool = False
    columns: Columns = Columns()
    type: ObservableType | None = None
    types: dict[str, ObservableType] = {}
    labels: tuple[str, ...] = ()
    confidence: int | None = None
    confidences: dict[str, int] = {}
    indicator_types: tuple[str, ...] = ("malicious-activity",)
    valid_days: int = 90
    time_format: str | None = None

    def __post_init__(self) -> None:
        for is_wrong, error in _checks(self):
            if is_wrong:
                raise error

    def as_json(self) -> bytes:
        """Return the mapping as the document that `read_mapping` reads."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)


def read_mapping(document: bytes) -> Mapping:
    """Read a mapping from JSON.

    Raises:
        BadMapping: no JSON, a field that is not known, or one that cannot be.
    """
    if len(document) > MAX_MAPPING_BYTES:
        raise BadMapping("larger than %(max)s bytes", max=MAX_MAPPING_BYTES)
    try:
        return msgspec.json.decode(document.removeprefix(codecs.BOM_UTF8), type=Mapping)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadMapping("%(detail)s", detail=str(error)[:300]) from error


def _checks(mapping: Mapping) -> Iterator[tuple[bool, BadMapping]]:
    """Return what could be wrong with a mapping, and whether it is."""
    named = (*mapping.columns.labels, *(getattr(mapping.columns, name) for name in SINGLE))
    confidences = (mapping.confidence, *mapping.confidences.values())
    words = (*mapping.types, *mapping.confidences)
    about = mapping.origin[:_MAX_ORIGIN_CHARS]
    yield (
        not 0 < len(mapping.origin.strip()) <= _MAX_ORIGIN_CHARS,
        BadMapping("`origin` has 1 to %(max)s characters", max=_MAX_ORIGIN_CHARS),
    )
    yield (
        not _is_sign(mapping.delimiter) or not _is_sign(mapping.quote) or mapping.delimiter == mapping.quote,
        BadMapping("`delimiter` and `quote` are two different ASCII characters", subject=about),
    )
    yield (
        any(not sign.strip() or len(sign) > 4 for sign in mapping.comments),
        BadMapping("a sign in `comments` has 1 to 4 characters", subject=about),
    )
    yield (
        any(isinstance(column, int) and not 0 <= column < MAX_FIELDS for column in named),
        BadMapping("the place of a column is 0 to %(max)s", subject=about, max=MAX_FIELDS - 1),
    )
    yield (
        not mapping.header and any(isinstance(column, str) for column in named),
        BadMapping("columns are named by title only where the list has a `header`", subject=about),
    )
    yield (
        any(each is not None and not 0 <= each <= 100 for each in confidences),
        BadMapping("a confidence is 0 to 100", subject=about),
    )
    yield (
        not 1 <= mapping.valid_days <= MAX_VALID_DAYS,
        BadMapping("`valid_days` is 1 to %(max)s", subject=about, max=MAX_VALID_DAYS),
    )
    yield (
        len(mapping.labels) > MAX_LABELS or any(len(label) > MAX_LABEL_CHARS for label in mapping.labels),
        BadMapping(
            "at most %(max)s `labels` of %(chars)s characters", subject=about, max=MAX_LABELS, chars=MAX_LABEL_CHARS
        ),
    )
    yield (
        any(word != word.strip().lower() for word in words),
        BadMapping("the words in `types` and `confidences` are in lower case", subject=about),
    )
    yield (
        not _is_time_format(mapping.time_format),
        BadMapping("`time_format` is as strptime takes it, with year, month and day", subject=about),
    )


SINGLE: Final = ("value", "type", "name", "description", "confidence", "first_seen", "last_seen", "valid_until")


def _is_sign(text: str) -> bool:
    return len(text) == 1 and text.isascii() and (text == "\t" or text.isprintable())


def _is_time_format(text: str | None) -> bool:
    if text is None:
        return True
    sample = datetime(2026, 11, 30, tzinfo=UTC)
    try:
        again = datetime.strptime(sample.strftime(text), text)  # noqa: DTZ007 - only whether it can be read back
    except (ValueError, UnicodeError):
        return False
    return len(text) <= 64 and again.date() == sample.date()
