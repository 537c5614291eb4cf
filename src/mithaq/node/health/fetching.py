"""What is fetched from the world: which source fails, since when, and what was put aside."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection

from mithaq.exchange.sources import store
from mithaq.exchange.sources.model import Followed
from mithaq.kernel.reason import Reason
from mithaq.node.health.model import Finding, Level
from mithaq.node.health.settings import SOURCE_FAILURES_WRONG, SOURCE_LATE
from mithaq.node.language import msgid

Params = dict[str, str | int]


def sources(connection: Connection, at: datetime) -> Iterator[Finding]:
    """Every source that is followed gives what it has."""
    for each in store.all_of(connection):
        if each.progress.standing != "paused":
            yield _source(each, at)
        if each.progress.unkept:
            params: Params = {"source": each.source.name, "count": each.progress.unkept}
            sentence = msgid("the quarantine of %(source)s is full: %(count)s objects could only be counted")
            remedy = msgid("look and make room: mithaq source quarantine %(source)s")
            yield Finding(Level.WARNING, Reason("source-quarantine", sentence, params, remedy))


def _source(each: Followed, at: datetime) -> Finding:
    progress = each.progress
    params: Params = {"source": each.source.name}
    if progress.reason is not None and progress.standing == "stopped":
        detail = params | {"detail": progress.reason.sentence()[:200]}
        sentence = msgid("%(source)s is not fetched any more: %(detail)s")
        remedy = msgid("mend what it says, then: mithaq source resume %(source)s")
        return Finding(Level.WRONG, Reason("source", sentence, detail, remedy))
    if progress.reason is not None:
        detail = params | {"detail": progress.reason.sentence()[:200], "count": progress.failures}
        level = Level.WRONG if progress.failures >= SOURCE_FAILURES_WRONG else Level.WARNING
        sentence = msgid("%(source)s has failed %(count)s times in a row: %(detail)s")
        remedy = msgid("see whether its server can be reached, then: mithaq source fetch %(source)s")
        return Finding(level, Reason("source", sentence, detail, remedy))
    late = (at - progress.due_at).total_seconds()
    if late > SOURCE_LATE.total_seconds():
        sentence = msgid("%(source)s should have been fetched %(seconds)s seconds ago")
        remedy = msgid("see whether the node runs, and the log of its worker")
        return Finding(Level.WARNING, Reason("source", sentence, params | {"seconds": int(late)}, remedy))
    return Finding(Level.FINE, Reason("source", "%(source)s is fetched as it should be", params))
