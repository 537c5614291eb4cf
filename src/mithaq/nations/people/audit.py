"""Who did what, on which subject, with which outcome: one journal entry an action."""

from mithaq.kernel.database import Transaction
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.people.model import Outcome


def audit(
    tx: Transaction,
    *,
    actor: str,
    action: str,
    subject: str,
    outcome: Outcome = Outcome.DONE,
    reason: str = "",
) -> None:
    """Write down that somebody did something, or was refused it, as a journal entry."""
    detail = {"action": action, "outcome": outcome.value}
    if reason:
        detail["reason"] = reason
    tx.append("people.action", subject=subject, lane=ACTUAL, actor=actor, detail=detail)
