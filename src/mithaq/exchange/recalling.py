"""Take back an object with everything that could only have come here by way of it.

Nations that pass an object on to each other would hold it for ever on each other's word. So a word that is taken back
takes along the words of others for the same originator's object that came over more nations: whatever a nation passes
on has more hops than what it holds, so a word that returns to it in a circle has more hops than the one it began with.
Words over as few hops or fewer are independent of it, and are taken back by those who gave them.

Source: the feasibility condition of loop-free routing, RFC 8966 §2.4.
"""

from collections.abc import Iterable, Sequence

from mithaq.intelligence.model import Provenance
from mithaq.intelligence.service import Holdings
from mithaq.kernel.database import Transaction
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane

_OWN_HOPS = 0


def take_back(
    tx: Transaction,
    holdings: Holdings,
    object_id: str,
    lane: Lane,
    nation: NationId,
    reason: str,
    *,
    only: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """Withdraw a nation's word for an object with what derives from it; return the rows that no longer stand.

    `only`: the rows of the versions that a constituent takes back, which takes nobody else's word along.
    """
    if only is not None:
        return holdings.withdraw(tx, object_id, lane, nation, reason, only=only)
    words = [word for version in holdings.get(tx.connection, object_id, lane) for word in version.provenance]
    rows = holdings.withdraw(tx, object_id, lane, nation, reason)
    for other in (*derived(words, nation), *_constituents(words, nation)):
        rows += holdings.withdraw(tx, object_id, lane, other, f"recalled by way of {nation}")
    return tuple(dict.fromkeys(rows))


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
