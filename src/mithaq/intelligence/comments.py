"""What opinions, notes and sightings say of the objects that are held: an index from the object they speak of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Integer, bindparam, select

from mithaq.intelligence.model import NewObject, StoredObject
from mithaq.intelligence.reading import load
from mithaq.intelligence.settings import MAX_SEARCH_LIMIT
from mithaq.intelligence.tables import comments, objects, provenance
from mithaq.kernel.database import Transaction
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.standards.stix.comment import COMMENTING, Comment, comment_of

OPINION = "intelligence.opinion"
"""What the journal says when somebody else gives an opinion on an object of this nation's own."""

PROPOSAL = "intelligence.proposal"
"""What the journal says when somebody else proposes a change of an own object, or answers this nation's proposal."""

_BEYOND: Final = 2**63 - 1
"""Above every row."""

_spoken_of: Final = objects.alias()
_STANDING: Final = (
    select(objects)
    .where(
        objects.c.row.in_(select(comments.c.object).where(comments.c.about.in_(bindparam("about", expanding=True)))),
        objects.c.lane == bindparam("lane"),
        objects.c.stands,
    )
    .order_by(objects.c.row.desc())
    .limit(bindparam("limit", type_=Integer))
)
_OWN: Final = (
    select(objects.c.stix_id)
    .join(provenance, provenance.c.object == objects.c.row)
    .where(
        objects.c.stix_id.in_(bindparam("about", expanding=True)),
        objects.c.lane == bindparam("lane"),
        provenance.c.source == "own",
    )
    .distinct()
)
_ON_OWN: Final = (
    select(objects)
    .where(
        objects.c.type == bindparam("type"),
        objects.c.row < bindparam("before"),
        objects.c.lane == bindparam("lane"),
        objects.c.stands,
        objects.c.row.in_(select(provenance.c.object).where(provenance.c.source != "own")),
        objects.c.row.in_(
            select(comments.c.object)
            .join(_spoken_of, _spoken_of.c.stix_id == comments.c.about)
            .join(provenance, provenance.c.object == _spoken_of.c.row)
            .where(
                _spoken_of.c.lane == bindparam("lane"),
                _spoken_of.c.stands,
                _spoken_of.c.revoked.is_(False),
                provenance.c.source == "own",
            )
        ),
    )
    .order_by(objects.c.row.desc())
    .limit(bindparam("limit", type_=Integer))
)


@dataclass(frozen=True, slots=True)
class Said:
    """One opinion, note or sighting with what it says; `by`: who gave it, in the order in which they did."""

    stored: StoredObject
    comment: Comment
    by: tuple[NationId, ...]


def keep(tx: Transaction, versions: Sequence[tuple[int, bytes, NewObject]]) -> None:
    """Index the opinions, notes and sightings among new versions, and tell of opinions on own objects."""
    remarks = [(row, new, comment_of(new.body)) for row, _, new in versions if new.stix.type in COMMENTING]
    found = [{"about": each, "object": row} for row, _, comment in remarks for each in comment.about]
    if found:
        tx.execute(comments.insert(), found)
    for _, new, comment in remarks:
        if new.provenance.source != "own":
            _tell(tx, new, comment)


def _tell(tx: Transaction, new: NewObject, comment: Comment) -> None:
    """Tell of an opinion, a proposal or an answer by somebody else, once for each own object it speaks of."""
    actor, lane = f"nation:{new.provenance.nation}", new.lane
    if comment.opinion is not None:
        for own in _own_among(tx.connection, comment, lane):
            detail = {"opinion": new.stix.id, "says": comment.opinion}
            tx.append(OPINION, subject=own, lane=lane, actor=actor, detail=detail)
    elif comment.proposed is not None or comment.answer is not None:
        for own in _own_among(tx.connection, comment, lane):
            told = {"note": new.stix.id, "says": comment.answer or "proposal"}
            tx.append(PROPOSAL, subject=own, lane=lane, actor=actor, detail=told)


def _own_among(connection: Connection, comment: Comment, lane: Lane) -> list[str]:
    return sorted(connection.scalars(_OWN, {"about": list(comment.about), "lane": str(lane)}))


def said_of(connection: Connection, about: Sequence[str], lane: Lane, limit: int = MAX_SEARCH_LIMIT) -> list[Said]:
    """Return the standing opinions, notes and sightings of objects, own ones and others', newest first."""
    found = load(connection, _STANDING, {"about": list(about), "lane": str(lane), "limit": limit})
    return [said(each) for each in found]


def disputes(connection: Connection, lane: Lane, limit: int = MAX_SEARCH_LIMIT) -> list[Said]:
    """Return the opinions of others by which an own object that stands is wrong, newest first."""
    return _on_own(connection, "opinion", lane, limit, lambda each: each.comment.disputes)


def proposals(connection: Connection, lane: Lane, limit: int = MAX_SEARCH_LIMIT) -> list[Said]:
    """Return the notes of others that propose a change of an own object that stands, newest first."""
    return _on_own(connection, "note", lane, limit, lambda each: each.comment.proposed is not None)


def _on_own(connection: Connection, kind: str, lane: Lane, limit: int, is_meant: Callable[[Said], bool]) -> list[Said]:
    found: list[Said] = []
    before = _BEYOND
    while len(found) < limit:
        asked = {"type": kind, "lane": str(lane), "limit": limit, "before": before}
        page = load(connection, _ON_OWN, asked)
        found += [each for each in map(said, page) if is_meant(each)]
        if len(page) < limit:
            break
        before = page[-1].row
    return found[:limit]


def said(stored: StoredObject) -> Said:
    """Return a held opinion, note or sighting with what it says."""
    standing = [word.nation for word in stored.provenance if word.standing == "stands"]
    return Said(stored, comment_of(stored.body), tuple(dict.fromkeys(standing)))
