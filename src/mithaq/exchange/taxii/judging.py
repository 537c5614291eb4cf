"""Ask the gate about held objects for one constituent, many at a time, each time anew.

What the gate looks at inside the nation stands in columns: nothing is parsed here. Tests hold that no clause inside the
nation looks at what is left out (the scope).
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from mithaq.exchange import columns
from mithaq.exchange.columns import BODY, COLUMNS
from mithaq.exchange.inside import Inside
from mithaq.exchange.taxii.model import Shelf
from mithaq.exchange.taxii.reading import FURTHER
from mithaq.intelligence.indicators import identity_id
from mithaq.intelligence.knowledge import published
from mithaq.intelligence.tables import objects
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.reason import Reason
from mithaq.release.model import Item, Released, Request, Withheld
from mithaq.release.rules import judge
from mithaq.standards.pap import Pap
from mithaq.standards.stix import glance
from mithaq.standards.tlp import Tlp

_OF_IDS: Final = select(*COLUMNS).where(
    objects.c.stix_id.in_(bindparam("ids", expanding=True)), objects.c.lane == str(ACTUAL)
)
_AT_ONCE: Final = 500
_REFERS: Final = FURTHER
_MAX_CLOSURE: Final = 20_000
"""Objects looked at, one referring to the next, before everything referred to counts as hidden."""


class Judge:
    """The gate for constituents at one instant over one view of the database; short-lived."""

    def __init__(self, connection: Connection, own: NationId, at: datetime) -> None:
        self._connection = connection
        self._own = own
        self._at = at
        self._identity = identity_id(own)
        self._gate = Inside(connection, own, at)

    def items(self, rows: Sequence[Any]) -> list[Item]:
        """Return the rows of `COLUMNS` as the gate sees them, in their order."""
        return columns.items(self._connection, self._own, rows)

    def released(self, rows: Sequence[Any], shelf: Shelf) -> list[Released[Item] | None]:
        """Decide about rows of a page of this shelf, in their order; None is withheld."""
        return self.decide(self.items(rows), refs_of(rows), shelf)

    def decide(
        self, items: Sequence[Item], refs: Sequence[Collection[str]], shelf: Shelf
    ) -> list[Released[Item] | None]:
        """Decide about each item for exactly this constituent, in their order; None is withheld.

        `refs` are the ids that each refers to.
        """
        hidden = self._hidden({ref for each in refs for ref in each}, shelf) if any(refs) else frozenset()
        counts = [len(hidden.intersection(referred)) if referred else 0 for referred in refs]
        return self._decide(items, counts, shelf)

    def against(self, row: Any, shelf: Shelf) -> tuple[Reason, ...]:
        """Say everything for which a row of `COLUMNS` is withheld from exactly this constituent; nothing: it is not."""
        hidden = len(self._hidden(glance(bytes(row.body)).refs, shelf))
        purpose, action = shelf.collection.purpose, shelf.collection.action
        (decided,) = self._gate.decide(self.items([row]), shelf.recipient, purpose, action, [hidden])
        return decided.reasons if isinstance(decided, Withheld) else ()

    def allows(self, shelf: Shelf, tlp: Tlp, pap: Pap) -> bool:
        """Tell what `decide` would say of an own object with these labels that stands, is not vetoed, refers to none.

        For counts and dates of many objects at once; what leaves is still decided one by one.
        """
        item = Item("", "", "", "", tlp, pap, ACTUAL, self._own)
        purpose, action = shelf.collection.purpose, shelf.collection.action
        return judge(Request(item, self._own, shelf.recipient, True, None, purpose, action=action), self._at).allowed

    def vetoed(self, shelf: Shelf) -> frozenset[str]:
        """Return the ids of all objects that a veto keeps from this constituent."""
        return self._gate.vetoes.against(str(shelf.recipient))

    def hidden(self, ids: Collection[str], shelf: Shelf) -> frozenset[str]:
        """Return which of these ids are held here and may not be known to the constituent."""
        return self._hidden(ids, shelf)

    def _decide(self, items: Sequence[Item], withheld_refs: Sequence[int], shelf: Shelf) -> list[Released[Item] | None]:
        purpose, action = shelf.collection.purpose, shelf.collection.action
        decided = self._gate.decide(items, shelf.recipient, purpose, action, withheld_refs)
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
                    refs = [ref for ref in glance(bytes(row.body)).refs if self._matters(ref)]
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


def refs_of(rows: Sequence[Any]) -> list[Collection[str]]:
    """Return the ids that each row of a page refers to."""
    return [glance(row[BODY]).refs if row[_REFERS] else () for row in rows]


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
