"""Read a shelf: pages of what the gate releases to its reader at this very instant."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Select,
    Table,
    bindparam,
    select,
    true,
    type_coerce,
)

from mithaq.exchange.columns import BODY, COLUMNS, STANDS, STIX_ID
from mithaq.exchange.taxii.model import SPEC_VERSION, Asked
from mithaq.exchange.taxii.settings import MAX_PAGE_BYTES, MAX_PAGE_OBJECTS
from mithaq.exchange.taxii.store import shelved
from mithaq.intelligence.tables import objects
from mithaq.kernel.database import EPOCH
from mithaq.release.model import Item, Released

Pages = Mapping[tuple[bool, str], Select[Any]]
"""The statements that read a page: whether ids are asked for, and how many types (`""`, `one`, `many`)."""

_ADDED, _VERSION, _HAS_SIBLINGS, FURTHER = range(len(COLUMNS), len(COLUMNS) + 4)
"""The places in a row of what is read beside `COLUMNS`: instants in microseconds since 1970, whether there are other
versions, and the first of what only one kind of shelf has.
"""

_BY_ID: Final = objects.c.stix_id.in_(bindparam("ids", expanding=True))


def pages_of(on: Table, *further: ColumnElement[Any]) -> Pages:
    """Return one statement for each form of question about a table of what lies on shelves, to be made once.

    `further`: columns of the table that its judge looks at beside `COLUMNS`.
    """
    page = (
        select(
            *COLUMNS,
            type_coerce(on.c.date_added, BigInteger),
            type_coerce(on.c.version, BigInteger),
            on.c.has_siblings if "has_siblings" in on.c else true(),
            *further,
        )
        .join(objects, objects.c.row == on.c.object)
        .where(on.c.shelf == bindparam("shelf"), on.c.date_added > bindparam("after"))
        .order_by(on.c.date_added)
        .limit(bindparam("limit", type_=Integer))
    )
    kinds = {
        "": (),
        "one": (on.c.type == bindparam("type"),),
        "many": (on.c.type.in_(bindparam("types", expanding=True)),),
    }
    return {
        (has_ids, kind): page.where(*([_BY_ID] if has_ids else ()), *narrowed)
        for has_ids in (False, True)
        for kind, narrowed in kinds.items()
    }


_OF_CONSTITUENTS: Final = pages_of(shelved, shelved.c.refers)
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
    stands: bool

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


class OnShelf(Protocol):
    """A shelf, whoever's: what lies on it is found by its number."""

    @property
    def id(self) -> int:
        """Return its number."""
        ...


S = TypeVar("S", bound=OnShelf)
S_contra = TypeVar("S_contra", contravariant=True)


class Judging(Protocol[S_contra]):
    """The gate for what lies on one kind of shelf."""

    def released(self, rows: Sequence[Any], shelf: S_contra) -> Sequence[Released[Item] | None]:
        """Decide about each row of a page for the shelf's reader, in their order; None is withheld."""
        ...


class Superseded(Judging[S_contra], Protocol[S_contra]):
    """The gate for what stands on one kind of shelf and for what is kept beside it, together."""

    @property
    def pages(self) -> Pages:
        """Return the statements of the table of what is kept beside the shelf."""
        ...


class Reading(Generic[S]):
    """Read one shelf in one view of the database; `pages`: the statements of its table, a constituent's by default.

    `earlier`: who decides about superseded versions; without it only what stands is read, whatever is asked for.
    """

    def __init__(
        self,
        connection: Connection,
        shelf: S,
        judge: Judging[S],
        pages: Pages = _OF_CONSTITUENTS,
        earlier: Superseded[S] | None = None,
    ) -> None:
        self._connection = connection
        self._shelf = shelf
        self._judge = judge
        self._pages = pages
        self._earlier = earlier

    def page(self, asked: Asked) -> Page:
        """Return the next objects of a question, judged now; what is withheld leaves no trace in it.

        Cost: three statements a page, whatever the shelf holds; more where much of it is no longer released, and where
        superseded versions are asked for.
        """
        return self._page(asked, self._earlier if asked.asks_for_earlier else None)

    def _page(self, asked: Asked, earlier: Superseded[S] | None) -> Page:
        if SPEC_VERSION not in asked.spec_versions:
            return Page((), more=False)
        position = max(asked.after or EPOCH, asked.added_after or EPOCH)
        found: list[Served] = []
        size, wanted = 0, asked.limit + 1
        while len(found) <= asked.limit:
            rows = self._rows(asked, position, wanted, earlier)
            for each in self._chosen(asked, rows, earlier):
                if size > MAX_PAGE_BYTES:
                    return Page(tuple(found[: asked.limit]), more=True)
                found.append(each)
                size += len(each.body)
            if len(rows) < wanted:
                break
            position = EPOCH + rows[-1][_ADDED] * _MICROSECOND
            wanted = min(2 * wanted, MAX_PAGE_OBJECTS)  # what is left over is read again: better than one by one
        return Page(tuple(found[: asked.limit]), more=len(found) > asked.limit)

    def has(self, object_id: str) -> bool:
        """Tell whether any version of an object is released to the shelf's reader."""
        return bool(self.page(_of_object(object_id, limit=1)).served)

    def _rows(self, asked: Asked, position: datetime, limit: int, earlier: Superseded[S] | None) -> Sequence[Any]:
        kind = "" if not asked.types else "one" if len(asked.types) == 1 else "many"
        named: dict[str, Any] = {"shelf": self._shelf.id, "after": position, "limit": limit}
        if asked.ids:
            named["ids"] = sorted(asked.ids)
        if kind:
            named |= {"type": min(asked.types)} if kind == "one" else {"types": sorted(asked.types)}
        rows = self._connection.execute(self._pages[bool(asked.ids), kind], named).all()
        if earlier is None:
            return rows
        more = self._connection.execute(earlier.pages[bool(asked.ids), kind], named).all()
        return sorted([*rows, *more], key=itemgetter(_ADDED))[:limit] if more else rows

    def _chosen(self, asked: Asked, rows: Sequence[Any], earlier: Superseded[S] | None) -> list[Served]:
        """Return the rows that are released and are of an asked version."""
        found = self._released(rows, earlier)
        if "all" in asked.words:
            return found
        if not asked.words:
            return [each for each in found if each.version in asked.versions]
        if earlier is None:
            of_several = {row[STIX_ID] for row in rows if row[_HAS_SIBLINGS]}
        else:
            of_several = {each.released.value.id for each in found}
        ends = self._ends(asked, sorted(of_several), earlier)
        return [each for each in found if _is_asked(each, asked, ends.get(each.released.value.id, (each, each)))]

    def _ends(
        self, asked: Asked, ids: Sequence[str], earlier: Superseded[S] | None
    ) -> dict[str, tuple[Served, Served | None]]:
        """Return the first and the last version of each object among those that the other filters let pass.

        The last is the newest of those that stand.
        """
        of_all = replace(asked, after=None, words=frozenset({"all"}), limit=MAX_PAGE_OBJECTS)
        versions: dict[str, list[Served]] = defaultdict(list)
        for start in range(0, len(ids), _MORE_IDS):
            asking = replace(of_all, ids=frozenset(ids[start : start + _MORE_IDS]))
            while True:
                page = self._page(asking, earlier)
                for each in page.served:
                    versions[each.released.value.id].append(each)
                if not page.more:
                    break
                asking = replace(asking, after=page.served[-1].date_added)
        return {
            object_id: (
                min(known, key=_order),
                max((each for each in known if each.stands), key=_order, default=None),
            )
            for object_id, known in versions.items()
        }

    def _released(self, rows: Sequence[Any], earlier: Superseded[S] | None) -> list[Served]:
        decided = (earlier or self._judge).released(rows, self._shelf)
        return [
            Served(released, row[BODY], row[_ADDED], row[_VERSION], bool(row[STANDS]))
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


def _is_asked(each: Served, asked: Asked, ends: tuple[Served, Served | None]) -> bool:
    first, last = ends
    return (
        each.version in asked.versions
        or ("last" in asked.words and last is not None and each.added_us == last.added_us)
        or ("first" in asked.words and each.added_us == first.added_us)
    )


def _order(each: Served) -> tuple[int, int]:
    return each.version_us, each.added_us
