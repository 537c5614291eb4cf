"""Write hits down and say so in the journal; the live detector and the hunter do it alike."""

from collections.abc import Sequence

from mithaq.detection import store
from mithaq.detection.hits import breaker
from mithaq.detection.model import Hit, HitState
from mithaq.detection.patterns.state import completed, whole_and_parts
from mithaq.detection.settings import BreakerLimits
from mithaq.kernel.database import Transaction

HIT = "detection.hit"
EXPECTED = "detection.hit.expected"


def record_hits(tx: Transaction, hits: Sequence[Hit], limits: BreakerLimits | None = None) -> int:
    """Keep the hits that are new, one journal entry each; return how many there were.

    What is a part of a pattern is kept for its other parts, and makes a hit with them. What hits too often is stopped,
    and counted instead of written.
    """
    whole, parts = whole_and_parts(hits)
    found = [*whole, *completed(tx, parts)]
    let_through = breaker.let_through(tx, found, limits or BreakerLimits(), lambda new: store.unknown(tx, new))
    fresh = store.add_hits(tx, let_through)
    for hit in fresh:
        detail = {"indicator": hit.indicator_id, "source": hit.source, "retro": hit.retro}
        kind = HIT if hit.state is HitState.NEW else EXPECTED
        tx.append(kind, subject=hit.hit_id, lane=hit.lane, actor="node", detail=detail)
    return len(fresh)
