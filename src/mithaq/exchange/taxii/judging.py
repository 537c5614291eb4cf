"""Ask the gate about held objects for one constituent, many at a time, each time anew.

What the gate looks at inside the nation stands in columns: nothing is parsed here. Tests hold that this is the item
which `gatekeeping.item_of` makes, and that no clause inside the nation looks at what is left out (the scope).
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import BigInteger, Connection, Text, bindparam, exists, select, type_coerce

from mithaq.exchange.gatekeeping import whose
from mithaq.exchange.store import Vetoes
from mithaq.exchange.taxii.model import Shelf
from mithaq.intelligence.indicators import identity_id
from mithaq.intelligence.knowledge import published
from mithaq.intelligence.model import Standing
from mithaq.intelligence.tables import instructions, objects, provenance
from mithaq.kernel.database import EPOCH
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.release.model import Carried, Item, Released, Request
from mithaq.release.rules import decide_inside, judge
from mithaq.standards.pap import Pap
from mithaq.standards.stix import parse
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
"""What a query must yield for `Judge.items`; instants as microseconds since 1970, most of which nobody reads.

`is_ours`: this nation stands behind it, whatever others say; their words need not be read.
"""

_TLPS: Final = {int(tlp): tlp for tlp in Tlp}
_PAPS: Final = {int(pap): pap for pap in Pap}
_RED: Final = Tlp.RED
_MICROSECOND: Final = timedelta(microseconds=1)
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


_OF_IDS: Final = select(*COLUMNS).where(
    objects.c.stix_id.in_(bindparam("ids", expanding=True)), objects.c.lane == str(ACTUAL)
)
_AT_ONCE: Final = 500
_MAX_CLOSURE: Final = 20_000
"""Objects looked at, one referring to the next, before everything referred to counts as hidden."""


class Word(NamedTuple):
    """One word for an object, as far as it says whose the object is."""

    source: str
    nation: NationId
    standing: Standing
    carried: str


class Judge:
    """The gate for constituents at one instant over one view of the database; short-lived."""

    def __init__(self, connection: Connection, own: NationId, at: datetime) -> None:
        self._connection = connection
        self._own = own
        self._at = at
        self._identity = identity_id(own)
        self._vetoes = Vetoes(connection)

    def items(self, rows: Sequence[Any]) -> list[Item]:
        """Return the rows of `COLUMNS` as the gate sees them, in their order."""
        if not rows:
            return []
        theirs = [row.row for row in rows if not row.is_ours]
        words = self._words(theirs) if theirs else {}
        ours: tuple[NationId, tuple[Carried, ...]] = (self._own, ())
        return [_item(row, ours if row.is_ours else words[row.row]) for row in rows]

    def _words(self, numbers: Sequence[int]) -> dict[int, tuple[NationId, tuple[Carried, ...]]]:
        """Return whose these rows are, and the terms under which they came."""
        words: dict[int, list[Word]] = {number: [] for number in numbers}
        posted = []
        for number, source, nation, standing, carried in self._connection.execute(_WORDS, {"rows": list(numbers)}):
            words[number].append(Word(source, nation, standing, carried))
            if source == "constituent":
                posted.append(number)
        instructed = set(self._connection.scalars(_INSTRUCTED, {"rows": posted})) if posted else set()
        return {
            number: whose(said, self._own, is_instructed=number in instructed, read=_terms)
            for number, said in words.items()
        }

    def released(self, rows: Sequence[Any], shelf: Shelf) -> list[Released[Item] | None]:
        """Decide about rows of a page of this shelf, in their order; None is withheld."""
        refs = [parse(row.body).refs if row.refers else () for row in rows]
        return self.decide(self.items(rows), refs, shelf)

    def decide(
        self, items: Sequence[Item], refs: Sequence[Collection[str]], shelf: Shelf
    ) -> list[Released[Item] | None]:
        """Decide about each item for exactly this constituent, in their order; None is withheld.

        `refs` are the ids that each refers to.
        """
        hidden = self._hidden({ref for each in refs for ref in each}, shelf) if any(refs) else frozenset()
        counts = [len(hidden.intersection(referred)) if referred else 0 for referred in refs]
        return self._decide(items, counts, shelf)

    def allows(self, shelf: Shelf, tlp: Tlp, pap: Pap) -> bool:
        """Tell what `decide` would say of an own object with these labels that stands, is not vetoed, refers to none.

        For counts and dates of many objects at once; what leaves is still decided one by one.
        """
        item = Item("", "", "", "", tlp, pap, ACTUAL, self._own)
        purpose, action = shelf.collection.purpose, shelf.collection.action
        return judge(Request(item, self._own, shelf.recipient, True, None, purpose, action=action), self._at).allowed

    def vetoed(self, shelf: Shelf) -> frozenset[str]:
        """Return the ids of all objects that a veto keeps from this constituent."""
        return self._vetoes.against(str(shelf.recipient))

    def hidden(self, ids: Collection[str], shelf: Shelf) -> frozenset[str]:
        """Return which of these ids are held here and may not be known to the constituent."""
        return self._hidden(ids, shelf)

    def _decide(self, items: Sequence[Item], withheld_refs: Sequence[int], shelf: Shelf) -> list[Released[Item] | None]:
        recipient, purpose, action = shelf.recipient, shelf.collection.purpose, shelf.collection.action
        named = str(recipient)
        requests = [
            Request(
                item,
                self._own,
                recipient,
                True,
                None,
                purpose,
                withheld_refs=count,
                vetoed=self._vetoes.holds(item.id, named),
                action=action,
            )
            for item, count in zip(items, withheld_refs, strict=True)
        ]
        decided = decide_inside(requests, self._at)
        return [each if isinstance(each, Released) else None for each in decided]

    def _hidden(self, wanted: Collection[str], shelf: Shelf) -> frozenset[str]:
        """Return which of these ids are held here and may not be known to the constituent.

        An object may be known if a version of it is released, and what that version refers to may be known too; of
        objects that refer to each other all may be known, or none. What a publisher's word stands for may be known
        anyway.
        """
        versions: dict[str, list[Collection[str]]] = {}
        news = {ref for ref in wanted if self._matters(ref)}
        news -= published(self._connection, news)
        while news:
            if len(versions) + len(news) > _MAX_CLOSURE:
                return frozenset(wanted)
            rows = self._versions(news)
            found: set[str] = set()
            for row, released in zip(rows, self._decide(self.items(rows), [0] * len(rows), shelf), strict=True):
                known = versions.setdefault(row.stix_id, [])
                if released is not None:
                    refs = [ref for ref in parse(bytes(row.body)).refs if self._matters(ref)]
                    known.append(refs)
                    found.update(refs)
            news = found - versions.keys() - news
            news -= published(self._connection, news)
        return frozenset(ref for ref in _unknown(versions) if ref in wanted)

    def _matters(self, ref: str) -> bool:
        return ref != self._identity and not ref.startswith("marking-definition--")

    def _versions(self, ids: Collection[str]) -> list[Any]:
        ordered = sorted(ids)
        return [
            row
            for start in range(0, len(ordered), _AT_ONCE)
            for row in self._connection.execute(_OF_IDS, {"ids": ordered[start : start + _AT_ONCE]})
        ]


def _terms(word: Word) -> Carried:
    return _read_terms(word.carried)


@lru_cache(maxsize=4096)
def _read_terms(text: str) -> Carried:
    """Return the terms of a word; those of one release are the same text, and are read once."""
    return Carried.of_json(msgspec.json.decode(text))


@lru_cache(maxsize=64)
def _lane(text: str) -> Lane:
    return Lane.parse(text)


def _unknown(versions: Mapping[str, Sequence[Collection[str]]]) -> set[str]:
    """Return the objects of which no version may be known, given what each released version refers to."""
    hidden = {object_id for object_id, released in versions.items() if not released}
    while True:
        more = {
            object_id
            for object_id, released in versions.items()
            if object_id not in hidden and all(not hidden.isdisjoint(refs) for refs in released)
        }
        if not more:
            return hidden
        hidden |= more


def _item(row: Any, said: tuple[NationId, tuple[Carried, ...]]) -> Item:
    _, stix_id, kind, lane, modified, tlp_rank, pap_rank, stands, raw_digest, body, _ = row[: len(COLUMNS)]
    tlp: Tlp | None = _TLPS[tlp_rank]
    if tlp is _RED and tlp_of(parse(bytes(body)).object_marking_refs) is None:
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
    )


def _version(modified_us: int) -> str:
    """Write `modified` as `rfc3339` does."""
    return (_NAIVE_EPOCH + modified_us * _MICROSECOND).isoformat(timespec="milliseconds") + "Z"
