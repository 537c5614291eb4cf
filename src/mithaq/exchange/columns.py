"""Many held objects as the gate sees them, made from columns: no pattern is read, and nothing is asked one by one.

Tests hold that these are the items, and the subjects, which `items` makes of the objects themselves.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import BigInteger, Connection, Text, bindparam, exists, select, type_coerce

from mithaq.exchange.items import Subject, whose
from mithaq.intelligence import reading
from mithaq.intelligence.model import Standing
from mithaq.intelligence.rules import NOT_OURS
from mithaq.intelligence.tables import instructions, objects, provenance
from mithaq.kernel.database import EPOCH
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.release.model import NO_SCOPE, Carried, Item, Scope
from mithaq.release.scope import scope_of
from mithaq.standards.pap import Pap
from mithaq.standards.stix import Glance, glance
from mithaq.standards.tlp import Tlp, tlp_of

COLUMNS: Final = (
    objects.c.row,
    objects.c.stix_id,
    objects.c.type,
    objects.c.lane,
    type_coerce(objects.c.modified, BigInteger).label("modified"),
    objects.c.tlp,
    objects.c.pap,
    objects.c.stands,
    objects.c.digest,
    objects.c.body,
    exists(
        select(provenance.c.row).where(
            provenance.c.object == objects.c.row,
            provenance.c.standing == "stands",
            provenance.c.source.in_(("own", "import")),
        )
    ).label("is_ours"),
)
"""What a query must yield for `items` and `subjects`; instants as microseconds since 1970, most of which nobody reads.

`is_ours`: this nation stands behind it, whatever others say; their words need not be read. Thousands of rows are read
by place: a name is looked up in each row anew, which takes as long as all that is made of it.
"""

ROW, STIX_ID, STANDS, BODY, IS_OURS = (
    [column.key for column in COLUMNS].index(key) for key in ("row", "stix_id", "stands", "body", "is_ours")
)
"""The places of these among `COLUMNS`."""

_TLPS: Final = {int(tlp): tlp for tlp in Tlp}
_PAPS: Final = {int(pap): pap for pap in Pap}
_RED: Final = Tlp.RED
_MINUTE: Final = timedelta(minutes=1)
_MINUTE_US: Final = 60_000_000
_NAIVE_EPOCH: Final = EPOCH.replace(tzinfo=None)
_WORDS: Final = (
    select(
        provenance.c.object,
        provenance.c.source,
        provenance.c.nation,
        provenance.c.standing,
        type_coerce(provenance.c.carried, Text).label("carried"),
    )
    .where(provenance.c.object.in_(bindparam("rows", expanding=True)))
    .order_by(provenance.c.row)
)
_INSTRUCTED: Final = select(instructions.c.object).where(
    instructions.c.object.in_(bindparam("rows", expanding=True)), instructions.c.given_by.is_not(None)
)
_AT_ONCE: Final = 1_000

Said = tuple[NationId, tuple[Carried, ...]]
"""Whose a version is, and the terms under which it came."""


class Word(NamedTuple):
    """One word for an object, as far as it says whose the object is."""

    source: str
    nation: NationId
    standing: Standing
    carried: str


def items(connection: Connection, own: NationId, rows: Sequence[Any]) -> list[Item]:
    """Return the rows of `COLUMNS` as the gate inside the nation sees them, in their order; no scope is read."""
    said = _said(connection, own, rows)
    return [_item(row, said[row[ROW]], NO_SCOPE, None) for row in rows]


def subjects(connection: Connection, own: NationId, rows: Sequence[Any]) -> list[Subject]:
    """Return the rows of `COLUMNS` as what may be released to a nation, in their order."""
    said = _said(connection, own, rows)
    given = reading.instructions_of(connection, list(said))
    found = []
    for row in rows:
        number, body = row[ROW], bytes(row[BODY])
        seen = glance(body)
        item = _item(row, said[number], scope_of(seen), seen)
        found.append(Subject(number, item, seen.refs, body, tuple(given.get(number, ()))))
    return found


def _said(connection: Connection, own: NationId, rows: Sequence[Any]) -> dict[int, Said]:
    """Return whose each of these rows is."""
    ours: Said = (own, ())
    said = {row[ROW]: ours for row in rows}
    theirs = [row[ROW] for row in rows if not row[IS_OURS]]
    for start in range(0, len(theirs), _AT_ONCE):
        said.update(_whose(connection, own, theirs[start : start + _AT_ONCE]))
    return said


def _whose(connection: Connection, own: NationId, numbers: Sequence[int]) -> dict[int, Said]:
    """Return what the words of these rows say; those of one release mostly say the same, which is read once."""
    words: dict[int, list[Word]] = {number: [] for number in numbers}
    given = []
    for number, *word in connection.execute(_WORDS, {"rows": list(numbers)}):
        words[number].append(Word(*word))
        if word[0] in NOT_OURS:
            given.append(number)
    instructed = set(connection.scalars(_INSTRUCTED, {"rows": given})) if given else set()
    known: dict[tuple[bool, tuple[Word, ...]], Said] = {}
    said = {}
    for number, spoken in words.items():
        alike = (number in instructed, tuple(spoken))
        if alike not in known:
            known[alike] = whose(spoken, own, is_instructed=number in instructed, read=_terms)
        said[number] = known[alike]
    return said


def _item(row: Any, said: Said, scope: Scope, seen: Glance | None) -> Item:
    _, stix_id, kind, lane, modified, tlp_rank, pap_rank, stands, raw_digest, body, _ = row[: len(COLUMNS)]
    tlp: Tlp | None = _TLPS[tlp_rank]
    if tlp is _RED and tlp_of((seen or glance(bytes(body))).object_marking_refs) is None:
        tlp = None
    digest = raw_digest.hex()
    return Item(
        stix_id,
        digest[:16] if modified is None else _version(modified),
        kind,
        digest,
        tlp,
        None if pap_rank is None else _PAPS[pap_rank],
        _lane(lane),
        *said,
        is_withdrawn=not stands,
        scope=scope,
    )


def _version(modified_us: int) -> str:
    """Write `modified` as `rfc3339` does; what is of one minute begins alike."""
    minutes, rest_us = divmod(modified_us, _MINUTE_US)
    return f"{_minute(minutes)}:{rest_us // 1_000 / 1_000:06.3f}Z"


@lru_cache(maxsize=4096)
def _minute(minutes: int) -> str:
    return (_NAIVE_EPOCH + minutes * _MINUTE).isoformat(timespec="minutes")


def _terms(word: Word) -> Carried:
    return _read_terms(word.carried)


@lru_cache(maxsize=4096)
def _read_terms(text: str) -> Carried:
    """Return the terms of a word; those of one release are the same text, and are read once."""
    return Carried.of_json(msgspec.json.decode(text))


@lru_cache(maxsize=64)
def _lane(text: str) -> Lane:
    return Lane.parse(text)
