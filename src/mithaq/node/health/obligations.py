"""What is late under an agreement, on either side, and whether the clock may be believed."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection

from mithaq.exchange.duties.service import Duty
from mithaq.kernel.reason import Reason
from mithaq.node.composition import Node
from mithaq.node.health.model import Finding, Level
from mithaq.node.language import msgid

_NAMED = 20
Params = dict[str, str | int]


def duties(node: Node, connection: Connection, at: datetime) -> Iterator[Finding]:
    """Nothing is overdue here or at a partner, and deletions are not held up by a clock."""
    health = node.duties.health(connection, at)
    if health.doubt is not None:
        sentence = msgid("this machine’s clock is not believed: nothing that is due is deleted, no breach is recorded")
        remedy = msgid("set the clock; where it is right, run: mithaq duty believe-clock")
        yield Finding(Level.WRONG, Reason("duty-clock", sentence, {}, remedy))
    elif health.undeleted:
        waiting: Params = {"count": health.undeleted}
        sentence = msgid("%(count)s objects of partners should have been deleted by now")
        yield Finding(Level.WRONG, Reason("retention", sentence, waiting, "run: mithaq serve; see the worker’s log"))
    own = sum(each.owed_by == node.nation for each in health.overdue)
    for each in health.overdue[: max(own, _NAMED)]:  # this nation's own stand first, and each is named
        yield _overdue(each, node)
    if not health.overdue and not health.undeleted and health.doubt is None:
        yield Finding(Level.FINE, Reason("duties", "nothing that is owed under an agreement is overdue"))


def _overdue(duty: Duty, node: Node) -> Finding:
    params: Params = {
        "duty": duty.kind,
        "subject": duty.subject,
        "nation": duty.owed_by,
        "number": duty.row,
        "agreement": duty.agreement_id,
        "since": f"{duty.due_at:%Y-%m-%d %H:%M} UTC",
    }
    if duty.owed_by == node.nation:
        params["nation"] = duty.owed_to
        sentence = msgid(
            "this nation owes %(nation)s under %(agreement)s: %(duty)s for %(subject)s is overdue since %(since)s"
        )
        remedy = msgid("do it, then: mithaq duty done %(number)s; see mithaq duty list")
        return Finding(Level.WRONG, Reason("duty", sentence, params, remedy))
    sentence = msgid("%(nation)s is late under %(agreement)s: %(duty)s for %(subject)s is overdue since %(since)s")
    return Finding(Level.WARNING, Reason("duty", sentence, params, "call its duty officer; see mithaq duty list"))
