"""Take back an object with everything that could only have come here by way of it.

Nations that pass an object on to each other would hold it for ever on each other's word. So a word that is taken back
takes along the words of others for the same originator's object that came over more nations: whatever a nation passes
on has more hops than what it holds, so a word that returns to it in a circle has more hops than the one it began with.
Words over as few hops or fewer are independent of it, and are taken back by those who gave them.

Source: the feasibility condition of loop-free routing, RFC 8966 §2.4.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import bindparam, select

from mithaq.intelligence.model import Provenance
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.tables import objects, provenance
from mithaq.kernel.database import Transaction
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane

_OWN_HOPS = 0
_AT_ONCE: Final = 500
_GIVEN: Final = (
    select(objects.c.stix_id, objects.c.row, provenance.c.source, provenance.c.carried)
    .join(provenance, provenance.c.object == objects.c.row)
    .where(
        objects.c.lane == bindparam("lane"),
        objects.c.stix_id.in_(bindparam("ids", expanding=True)),
        provenance.c.nation == bindparam("giver"),
        provenance.c.standing != "withdrawn",
    )
    .order_by(objects.c.row)
)


def take_back(
    tx: Transaction,
    holdings: Holdings,
    object_id: str,
    lane: Lane,
    nation: NationId,
    reason: str,
    *,
    only: Sequence[int] | None = None,
    back_to_older: bool = False,
) -> tuple[int, ...]:
    """Withdraw a nation's word for an object with what derives from it; return the rows that no longer stand.

    `only`: the rows of the versions that a constituent or a source takes back, which takes nobody else's word along;
    `back_to_older`: the newest version that it still says stands again.
    """
    if only is not None:
        return holdings.withdraw(tx, object_id, lane, nation, reason, only=only, back_to_older=back_to_older)
    words = [word for version in holdings.get(tx.connection, object_id, lane) for word in version.provenance]
    rows = holdings.withdraw(tx, object_id, lane, nation, reason)
    for other in (*derived(words, nation), *_constituents(words, nation)):
        rows += holdings.withdraw(tx, object_id, lane, other, f"recalled by way of {nation}")
    return tuple(dict.fromkeys(rows))


def take_back_given(
    tx: Transaction,
    holdings: Holdings,
    ids: Sequence[str],
    lane: Lane,
    giver: NationId,
    reason: str,
    is_meant: Callable[[str, Mapping[str, Any]], bool] | None = None,
) -> int:
    """Take back what a giver has said of objects and says no more, and nobody else's word; return of how many.

    `is_meant` tells of the source and the terms of a word whether it is one of these, every word where none is given: a
    version for which the giver has another word beside it stays.
    """
    rows: dict[str, dict[int, bool]] = {}
    for start in range(0, len(ids), _AT_ONCE):
        asked = {"lane": str(lane), "ids": list(ids[start : start + _AT_ONCE]), "giver": giver}
        for word in tx.connection.execute(_GIVEN, asked):
            of_it = rows.setdefault(word.stix_id, {})
            is_one = is_meant is None or is_meant(word.source, word.carried)
            of_it[word.row] = of_it.get(word.row, True) and is_one
    meant = {stix_id: [row for row, taken in of_it.items() if taken] for stix_id, of_it in rows.items()}
    for stix_id, chosen in meant.items():
        if chosen:
            take_back(tx, holdings, stix_id, lane, giver, reason, only=chosen)
    return sum(map(bool, meant.values()))


def _constituents(words: Iterable[Provenance], nation: NationId) -> list[NationId]:
    """Return the constituents that said the same: their word does not outlive what a nation takes back."""
    return sorted({word.nation for word in words if word.source == "constituent" and word.nation != nation})


def derived(words: Iterable[Provenance], nation: NationId) -> list[NationId]:
    """Return the partners whose word for the same originator's object came over more nations than this nation's."""
    fewest: dict[str, int] = {}
    known = [(word, *_origin(word)) for word in words]
    for word, originator, hops in known:
        if word.nation == nation:
            fewest[originator] = min(hops, fewest.get(originator, hops))
    return sorted(
        {
            word.nation
            for word, originator, hops in known
            if word.nation != nation and word.source == "partner" and hops > fewest.get(originator, hops)
        }
    )


def _origin(word: Provenance) -> tuple[str, int]:
    """Return whose object a word speaks of, and how many nations gave it on; an own word came over none."""
    if word.source != "partner":
        return word.nation, _OWN_HOPS
    hops = word.carried.get("hops")
    return str(word.carried.get("originator", word.nation)), hops if isinstance(hops, int) else 1
