"""Show one object as everyone said it: who said which version, and field by field where the versions differ.

Nothing is merged away: every value that somebody gave of a field stands beside who gave it, unknown fields too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from mithaq.intelligence.model import Provenance, StoredObject
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId
from mithaq.standards.stix import fields_of

MAX_COMPARED: Final = 20
"""Versions compared field by field, newest first; older ones are told with who said them, and not compared."""

MAX_COMPARED_BYTES: Final = 4 * 1024 * 1024
_MAX_DEPTH: Final = 3
ABSENT: Final = object()
"""What a version says of a field that it does not have."""


@dataclass(frozen=True, slots=True)
class Word:
    """One nation's word, with the version it is for."""

    provenance: Provenance
    row: int
    modified: datetime | None


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a field, `ABSENT` where there is none, with the versions that give it and who says those."""

    value: Any
    rows: tuple[int, ...]
    nations: tuple[NationId, ...]

    @property
    def is_absent(self) -> bool:
        """Tell whether these versions do not have the field."""
        return self.value is ABSENT


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of which not all versions say the same; `path` is a JSON pointer (RFC 6901)."""

    path: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Merged:
    """An object as everyone said it.

    `words`: oldest first. `saying`: the nations whose word stands, in the order in which they first said it, each with
    when that was. `differences`: of the `compared` newest versions, newest first.
    """

    words: tuple[Word, ...]
    saying: tuple[tuple[NationId, datetime], ...]
    compared: tuple[int, ...]
    differences: tuple[Difference, ...]


def merged(versions: Sequence[StoredObject]) -> Merged:
    """Return all versions of one object, newest first, as one view.

    Cost: reads at most `MAX_COMPARED` versions and `MAX_COMPARED_BYTES`.
    """
    words = [Word(word, each.row, each.stix.modified) for each in versions for word in each.provenance]
    words.sort(key=lambda word: (word.provenance.received_at, word.row))
    first: dict[NationId, datetime] = {}
    for word in words:
        first.setdefault(word.provenance.nation, word.provenance.received_at)
    standing = {word.provenance.nation for word in words if word.provenance.standing == "stands"}
    compared = _compared(versions)
    return Merged(
        tuple(words),
        tuple((nation, at) for nation, at in first.items() if nation in standing),
        tuple(each.row for each in compared),
        tuple(_differences(compared)) if len(compared) > 1 else (),
    )


def _compared(versions: Sequence[StoredObject]) -> list[StoredObject]:
    found: list[StoredObject] = []
    left = MAX_COMPARED_BYTES
    for each in versions[:MAX_COMPARED]:
        left -= len(each.body)
        if found and left < 0:
            break
        found.append(each)
    return found


def _differences(versions: Sequence[StoredObject]) -> Iterable[Difference]:
    flat = [(each, dict(_flat(fields_of(each.body), ""))) for each in versions]
    paths = dict.fromkeys(path for _, fields in flat for path in fields)
    for path in paths:
        told: dict[str, list[StoredObject]] = {}
        values: dict[str, Any] = {}
        for each, fields in flat:
            value = fields.get(path, ABSENT)
            key = _key(value)
            told.setdefault(key, []).append(each)
            values[key] = value
        if len(told) > 1:
            yield Difference(path, tuple(_value(values[key], those) for key, those in told.items()))


def between(was: dict[str, Any], proposed: dict[str, Any]) -> tuple[Difference, ...]:
    """Return the fields in which one object differs from another, each with the value that is and the one proposed."""
    left, right = dict(_flat(was, "")), dict(_flat(proposed, ""))
    found = []
    for path in dict.fromkeys((*left, *right)):
        values = [side.get(path, ABSENT) for side in (left, right)]
        if path != "/modified" and _key(values[0]) != _key(values[1]):
            found.append(Difference(path, tuple(Value(value, (), ()) for value in values)))
    return tuple(found)


def _key(value: Any) -> str:
    return "" if value is ABSENT else json.dumps(value, sort_keys=True, ensure_ascii=True)


def _value(value: Any, versions: Sequence[StoredObject]) -> Value:
    nations = dict.fromkeys(
        word.nation for each in versions for word in each.provenance if word.standing != "withdrawn"
    )
    return Value(value, tuple(each.row for each in versions), tuple(nations))


def _flat(fields: dict[str, Any], path: str, depth: int = 1) -> Iterable[tuple[str, Any]]:
    """Yield each member with its pointer; objects within are told member by member, a few levels deep."""
    for name, value in fields.items():
        place = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
        if isinstance(value, dict) and value and depth < _MAX_DEPTH:
            yield from _flat(value, place, depth + 1)
        else:
            yield place, value


def as_json(view: Merged) -> dict[str, Any]:
    """Return the view as JSON values, for `--json` and the API."""
    return {
        "said_by": [{"nation": nation, "first": rfc3339(at)} for nation, at in view.saying],
        "words": [{"version": _version(word), "row": word.row, **word_as_json(word.provenance)} for word in view.words],
        "compared": list(view.compared),
        "differences": [
            {
                "field": each.path,
                "values": [
                    ({} if value.is_absent else {"value": value.value})
                    | {"rows": list(value.rows), "nations": list(value.nations)}
                    for value in each.values
                ],
            }
            for each in view.differences
        ],
    }


def _version(word: Word) -> str | None:
    return rfc3339(word.modified) if word.modified else None


def word_as_json(word: Provenance) -> dict[str, Any]:
    """Return one nation's word as JSON values."""
    return {
        "source": word.source,
        "nation": word.nation,
        "agreement": word.agreement_id,
        "agreement_version": word.agreement_version,
        "release": word.release_id,
        "purpose": word.purpose,
        "tlp": word.tlp.label,
        "pap": word.pap.label if word.pap is not None else None,
        "admiralty": str(word.admiralty) if word.admiralty is not None else None,
        "received": rfc3339(word.received_at),
        "standing": word.standing,
        "standing_reason": word.standing_reason,
        "original": word.original,
        "carried": dict(word.carried),
    }
