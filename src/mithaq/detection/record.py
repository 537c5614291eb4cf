"""Write hits down and say so in the journal; the live detector and the hunter do it alike."""

from collections.abc import Sequence

from mithaq.detection import breaker, store
from mithaq.detection.model import Hit
from mithaq.detection.settings import BreakerLimits
from mithaq.kernel.database import Transaction

HIT = "detection.hit"


def record_hits(tx: Transaction, hits: Sequence[Hit], limits: BreakerLimits | None = None) -> int:
    """Keep the hits that are new, one journal entry each; return how many there were.

    What hits too often is stopped, and counted instead of written.
    """
    let_through = breaker.let_through(tx, hits, limits or BreakerLimits(), lambda found: store.unknown(tx, found))
    fresh = store.add_hits(tx, let_through)
    for hit in fresh:
        detail = {"indicator": hit.indicator_id, "source": hit.source, "retro": hit.retro}
        tx.append(HIT, subject=hit.hit_id, lane=hit.lane, actor="node", detail=detail)
    return len(fresh)
