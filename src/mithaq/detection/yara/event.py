"""The line that a source gets about a file: what the file is, from where, and which rules are true of it.

It names rules by the objects they stand in, by number, and says nothing of what these hold: an object that is erased
leaves none of its words in the lake. What of the file is quoted are a few bytes at each place.

Source: Elastic Common Schema 8.17, `file.*`, `event.*`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from mithaq.detection.yara.scanner import FileScan
from mithaq.detection.yara.wire import RuleMatch
from mithaq.kernel.clock import rfc3339

DATASET: Final = "mithaq.file"
KIND: Final = f"ecs.{DATASET}"
_MAX_NAME_CHARS: Final = 1_000
_MAX_TEXTS: Final = 3_000
_MAX_PLACES: Final = 3_000
"""Of all rules: a line has its limit."""


class NamedPlace(msgspec.Struct, frozen=True):
    """Where a rule's text lies in the file, and how the file reads there (hexadecimal)."""

    offset: int
    length: int
    hex: str


class NamedText(msgspec.Struct, frozen=True):
    """A text of a rule by its number, how often it was found, and the first places."""

    text: int
    count: int
    places: list[NamedPlace] = []


class NamedRule(msgspec.Struct, frozen=True):
    """A rule that is true of the file: the object it stands in, and which of its rules it is, from 0."""

    indicator: str
    row: int
    rule: int
    texts: list[NamedText] = []


class Unfinished(msgspec.Struct, frozen=True):
    """An object whose rules could not be asked to the end."""

    indicator: str
    reason: str


class Asked(msgspec.Struct, frozen=True):
    """What rules say of a file."""

    matches: list[NamedRule] = []
    unfinished: list[Unfinished] = []


class FileLine(msgspec.Struct, frozen=True):
    """What the detector needs of such a line."""

    yara: Asked = Asked()
    file: dict[str, Any] = {}


def named(matches: Sequence[RuleMatch], of: Mapping[str, tuple[str, int, Mapping[str, int]]]) -> list[NamedRule]:
    """Return matches by objects and numbers; `of` says of a key which object it is, its row, and its rules' numbers."""
    found = []
    texts_left, places_left = _MAX_TEXTS, _MAX_PLACES
    for match in matches:
        indicator, row, numbers = of[match.key]
        texts = []
        for text in match.texts[:texts_left]:
            places = [NamedPlace(place.offset, place.length, place.hex) for place in text.places[:places_left]]
            places_left -= len(places)
            texts.append(NamedText(text.number, text.count, places))
        texts_left -= len(texts)
        found.append(NamedRule(indicator, row, numbers.get(match.rule, 0), texts))
    return found


def line_of(
    scan: FileScan,
    asked: Asked,
    *,
    path: str,
    modified: datetime,
    found_at: datetime,
    about: Mapping[str, Any],
) -> bytes:
    """Return the line about a file, the same for the same findings; `about` is what its sensor says of it."""
    name = path.rpartition("/")[2]
    file: dict[str, Any] = {
        "path": _plain(path),
        "name": _plain(name),
        "size": scan.size,
        "mtime": rfc3339(modified),
        "hash": {"md5": scan.md5, "sha1": scan.sha1, "sha256": scan.sha256},
    }
    if scan.archive:
        file["not_unpacked"] = scan.archive
    given = dict(about)
    file |= given.pop("file", {})
    body = {
        "@timestamp": rfc3339(found_at),
        "ecs": {"version": "8.17.0"},
        "event": {"kind": "event", "category": ["file"], "dataset": DATASET, "module": "mithaq"},
        **given,
        "file": file,
        "yara": msgspec.to_builtins(asked),
    }
    return msgspec.json.encode(body, order="deterministic")


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode()[:_MAX_NAME_CHARS]
