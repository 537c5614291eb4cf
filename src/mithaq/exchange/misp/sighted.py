"""Questions to the shelves about sightings: what was sighted, what is said of it, and who said it."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Integer, bindparam, func, select

from mithaq.exchange.taxii.store import shelved
from mithaq.intelligence.tables import comments, objects, provenance
from mithaq.kernel.lane import ACTUAL

_SHELVES: Final = shelved.c.shelf.in_(bindparam("shelves", expanding=True))
SAYING: Final = ("sighting", "opinion")
"""Types of objects that say what MISP's sightings say."""

_SIGHTED: Final = (
    select(objects.c.row, objects.c.stix_id, func.max(shelved.c.date_added).label("at"))
    .select_from(shelved)
    .join(comments, comments.c.object == shelved.c.object)
    .join(objects, objects.c.stix_id == comments.c.about)
    .where(_SHELVES, shelved.c.type.in_(SAYING), objects.c.lane == str(ACTUAL), objects.c.stands)
    .group_by(objects.c.row, objects.c.stix_id)
    .order_by(objects.c.row)
)
_SAID: Final = (
    select(objects.c.row)
    .distinct()
    .select_from(comments)
    .join(objects, objects.c.row == comments.c.object)
    .join(shelved, shelved.c.object == objects.c.row)
    .where(
        comments.c.about.in_(bindparam("about", expanding=True)),
        _SHELVES,
        objects.c.type.in_(SAYING),
        objects.c.lane == str(ACTUAL),
        objects.c.stands,
        objects.c.row > bindparam("after"),
    )
    .order_by(objects.c.row)
    .limit(bindparam("limit", type_=Integer))
)
_INDICATORS: Final = (
    select(objects.c.stix_id)
    .distinct()
    .join(shelved, shelved.c.object == objects.c.row)
    .where(_SHELVES, shelved.c.type == "indicator", objects.c.lane == str(ACTUAL), objects.c.stands)
)
_SAID_BY: Final = (
    select(objects.c.stix_id)
    .distinct()
    .join(provenance, provenance.c.object == objects.c.row)
    .where(
        objects.c.stix_id.in_(bindparam("ids", expanding=True)),
        objects.c.lane == str(ACTUAL),
        provenance.c.nation == bindparam("nation"),
    )
)


def sighted(connection: Connection, shelves: Sequence[int]) -> Sequence[Any]:
    """Return the objects of which sightings stand on these shelves: row, id, and when the newest came."""
    return connection.execute(_SIGHTED, {"shelves": list(shelves)}).all()


def indicators(connection: Connection, shelves: Sequence[int]) -> list[str]:
    """Return the ids of all indicators on these shelves."""
    return list(connection.scalars(_INDICATORS, {"shelves": list(shelves)}))


def said(connection: Connection, shelves: Sequence[int], about: Sequence[str], after: int, limit: int) -> list[int]:
    """Return the rows of one chunk of the sightings and opinions of these objects that stand on these shelves."""
    asked = {"shelves": list(shelves), "about": list(about), "after": after, "limit": limit}
    return list(connection.scalars(_SAID, asked))


def said_by(connection: Connection, ids: Sequence[str], nation: str) -> frozenset[str]:
    """Return which of these objects somebody has said, whether the word still stands or not."""
    return frozenset(connection.scalars(_SAID_BY, {"ids": list(ids), "nation": nation}))
