"""What a person may write about a hit: pure, no I/O."""

from mithaq.detection.errors import UnusableReason
from mithaq.detection.model import Dismissal, Sight
from mithaq.detection.settings import MAX_REASON_CHARS
from mithaq.standards.defang import refang_value


def check_reason(sight: Sight, why: Dismissal, reason: str) -> None:
    """Refuse a reason that cannot go with an opinion: it is an own word, and outlives the indicator and the event.

    Raises:
        UnusableReason: a false positive without a reason, or one that quotes the value or is too long.
    """
    if len(reason) > MAX_REASON_CHARS:
        raise UnusableReason("a reason has at most %(limit)s characters", limit=MAX_REASON_CHARS)
    if why is not Dismissal.FALSE_POSITIVE:
        return
    if not reason:
        raise UnusableReason("say why it is a false positive: the originator decides by it")
    written = refang_value(reason).casefold()
    if any(value.casefold() in written for value in (sight.seen.value, sight.matched.value)):
        raise UnusableReason("leave the value out of the reason: the reason stays when the indicator is deleted")
