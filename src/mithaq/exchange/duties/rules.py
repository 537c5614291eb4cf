"""Pure decisions of the duties: whether this node's clock may be believed, and what a recall takes back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mithaq.exchange.duties.settings import AHEAD_TOLERANCE, BACK_TOLERANCE, PARTNER_TOLERANCE

Doubt = Literal["back", "ahead"]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the time: the instant last believed, and the newest that a partner signed."""

    believed_at: datetime
    partner_at: datetime | None = None


def doubt(at: datetime, known: Known | None) -> Doubt | None:
    """Tell why an instant may not be believed, None where it may.

    Time that goes back never brings back what was deleted, and nothing is done in it. A jump ahead is believed when it
    is small, or when a partner signed something near it: a wrong clock must not delete what partners gave. A node that
    was away for longer needs one release from a partner, or a person's word.
    """
    if known is None:
        return None
    if at < known.believed_at - BACK_TOLERANCE:
        return "back"
    if at - known.believed_at <= AHEAD_TOLERANCE:
        return None
    near = known.partner_at is not None and abs(at - known.partner_at) <= PARTNER_TOLERANCE
    return None if near else "ahead"
