"""Read a shelf: pages of what the gate releases to its constituent at this very instant."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, Connection, Integer, Select, bindparam, exists, select, type_coerce

from mithaq.exchange.taxii.judging import COLUMNS, Judge
from mithaq.exchange.taxii.model import SPEC_VERSION, Asked, Shelf
from mithaq.exchange.taxii.settings import MAX_PAGE_BYTES, MAX_PAGE_OBJECTS
from mithaq.exchange.taxii.store import shelved
from mithaq.intelligence.tables import objects
from mithaq.kernel.database import EPOCH
from mithaq.release.model import Item, Released
from mithaq.standards.stix import parse

_twin, _twin_object = shelved.alias("twin"), objects.alias("twin_object")
_HAS_SIBLINGS: Final = exists(
    select(_twin.c.object)
    .join(_twin_object, _twin_object.c.row == _twin.c.object)
    .where(
        _twin_object.c.stix_id == objects.c.stix_id,
        _twin_object.c.lane == objects.c.lane,
        _twin_object.c.row != objects.c.row,
        _twin.c.shelf == shelved.c.shelf,
    )
)
_PAGE: Final = (
    select(
        *COLUMNS,
        type_coerce(shelved.c.date_added, BigInteger).label("added_us"),
        type_coerce(shelved.c.version, BigInteger).label("version_us"),
        shelved.c.refers,
        _HAS_SIBLINGS.label("has_siblings"),
    )
    .join(objects, objects.c.row == shelved.c.object)
    .where(shelved.c.shelf == bindparam("shelf"), shelved.c.date_added > bindparam("after"))
    .order_by(shelved.c.date_added)
    .limit(bindparam("limit", type_=Integer))
)
_BY_ID: Final = objects.c.stix_id.in_(bindparam("ids", expanding=True))
_PAGES: Final[Mapping[tuple[bool, str], Select[Any]]] = {
    (has_ids, kind): _PAGE.where(*([_BY_ID] if has_ids else ()), *narrowed)
    for has_ids in (False, True)
    for kind, narrowed in {
        "": (),
        "one": (shelved.c.type == bindparam("type"),),
        "many": (shelved.c.type.in_(bindparam("types", expanding=True)),),
    }.items()
}
"""One statement for each form of question, made once."""

_MORE_IDS: Final = 900
_MICROSECOND: Final = timedelta(microseconds=1)


class Served(NamedTuple):
    """One object that the gate has released to whom it is served, now; its body is the bytes it came in.

    Instants are microseconds since 1970: most of a page's are never read.
    """

    released: Released[Item]
    body: bytes
    added_us: int
    version_us: int

    @property
    def date_added(self) -> datetime:
        """Return when it was put on this shelf."""
        return EPOCH + self.added_us * _MICROSECOND

    @property
    def version(self) -> datetime:
        """Return the instant that names its version."""
        return EPOCH + self.version_us * _MICROSECOND


@dataclass(frozen=True, slots=True)
class Page:
    """One page, in the order of `date_added`; `more` tells whether another one is not empty."""

    served: tuple[Served, ...]
    more: bool


class Reading:
    """Read one shelf in one view of the database."""

    def __init__(self, connection: Connection, shelf: Shelf, judge: Judge) -> None:
        self._connection = connection
        self._shelf = shelf
        self._judge = judge

    def page(self, asked: Asked) -> Page:
        """Return the next objects of a question, judged now; what is withheld leaves no trace in it.

        Cost: three statements a page, whatever the shelf holds; more where much of it is no longer released.
        """
        if SPEC_VERSION not in asked.spec_versions:
            return Page((), more=False)
        position = max(asked.after or EPOCH, asked.added_after or EPOCH)
        found: list[Served] = []
        size = 0
        while len(found) <= asked.limit:
            wanted = asked.limit + 1 - len(found)
            rows = self._rows(asked, position, wanted)
            for each in self._chosen(asked, rows):
                if size > MAX_PAGE_BYTES:
                    return Page(tuple(found), more=True)
                found.append(each)
                size += len(each.body)
            if len(rows) < wanted:
                break
            position = EPOCH + rows[-1].added_us * _MICROSECOND
        return Page(tuple(found[: asked.limit]), more=len(found) > asked.limit)

    def has(self, object_id: str) -> bool:
        """Tell whether any version of an object is released to this constituent."""
        return bool(self.page(_of_object(object_id, limit=1)).served)

    def versions(self, object_id: str) -> tuple[Served, ...]:
        """Return every version of an object that is released to this constituent."""
        return self.page(_of_object(object_id, limit=MAX_PAGE_OBJECTS)).served

    def _rows(self, asked: Asked, position: datetime, limit: int) -> Sequence[Any]:
        kind = "" if not asked.types else "one" if len(asked.types) == 1 else "many"
        named: dict[str, Any] = {"shelf": self._shelf.id, "after": position, "limit": limit}
        if asked.ids:
            named["ids"] = sorted(asked.ids)
        if kind:
            named |= {"type": min(asked.types)} if kind == "one" else {"types": sorted(asked.types)}
        return self._connection.execute(_PAGES[bool(asked.ids), kind], named).all()

    def _chosen(self, asked: Asked, rows: Sequence[Any]) -> list[Served]:
        """Return the rows that are released and are of an asked version."""
        if "all" in asked.words:
            return self._released(rows)
        twins = {row.row for row in rows if row.has_siblings}
        found = self._released(rows)
        if not twins:
            return [each for each in found if asked.words or each.version in asked.versions]
        ends = self._ends(asked, sorted({row.stix_id for row in rows if row.has_siblings}))
        return [each for each in found if _is_asked(each, asked, ends.get(each.released.value.id, (each, each)))]

    def _ends(self, asked: Asked, ids: Sequence[str]) -> dict[str, tuple[Served, Served]]:
        """Return the first and the last version of each object among those that the other filters let pass."""
        of_all = replace(asked, after=None, words=frozenset({"all"}), limit=MAX_PAGE_OBJECTS)
        versions: dict[str, list[Served]] = defaultdict(list)
        for start in range(0, len(ids), _MORE_IDS):
            asking = replace(of_all, ids=frozenset(ids[start : start + _MORE_IDS]))
            while True:
                page = self.page(asking)
                for each in page.served:
                    versions[each.released.value.id].append(each)
                if not page.more:
                    break
                asking = replace(asking, after=page.served[-1].date_added)
        return {object_id: (min(known, key=_order), max(known, key=_order)) for object_id, known in versions.items()}

    def _released(self, rows: Sequence[Any]) -> list[Served]:
        refs = [parse(row.body).refs if row.refers else () for row in rows]
        decided = self._judge.decide(self._judge.items(rows), refs, self._shelf)
        return [
            Served(released, row.body, row.added_us, row.version_us)
            for row, released in zip(rows, decided, strict=True)
            if released is not None
        ]


def _of_object(object_id: str, limit: int) -> Asked:
    return Asked(
        limit=limit,
        ids=frozenset({object_id}),
        spec_versions=frozenset({SPEC_VERSION}),
        words=frozenset({"all"}),
    )


def _is_asked(each: Served, asked: Asked, ends: tuple[Served, Served]) -> bool:
    first, last = ends
    return (
        each.version in asked.versions
        or ("last" in asked.words and each.added_us == last.added_us)
        or ("first" in asked.words and each.added_us == first.added_us)
    )


def _order(each: Served) -> tuple[int, int]:
    return each.version_us, each.added_us
