"""Who did what, on which subject, with which outcome: one journal entry an action."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from mithaq.kernel.database import Database, Transaction
from mithaq.kernel.errors import Error
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


@contextmanager
def audited(db: Database, at: datetime, *, actor: str, action: str, subject: str) -> Iterator[None]:
    """Write down that somebody did what this block does, or that it failed and by which error."""
    try:
        yield
    except Error as error:
        with db.write(at) as tx:
            failed = Outcome.FAILED
            audit(tx, actor=actor, action=action, subject=subject, outcome=failed, reason=error.code)
        raise
    with db.write(at) as tx:
        audit(tx, actor=actor, action=action, subject=subject)
