"""The lake: whether all that is kept can be read, and is sealed as fast as it comes."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection

from mithaq.kernel.reason import Reason
from mithaq.node.health.model import Finding, Level
from mithaq.node.health.settings import SEALING_LATE
from mithaq.node.language import msgid
from mithaq.telemetry.lake import keeping


def segments(connection: Connection, at: datetime) -> Iterator[Finding]:
    """Every segment of every source can be read, whole, and does not wait long to be sealed."""
    for kept in keeping.holdings(connection):
        if kept.troubled:
            params: dict[str, str | int] = {"source": kept.source, "count": kept.troubled}
            sentence = msgid("segments of %(source)s in the lake that cannot be read, or not whole: %(count)s")
            remedy = msgid(
                "hunts leave them out: see which, and put back their files from a backup: mithaq telemetry lake"
            )
            yield Finding(Level.WRONG, Reason("telemetry-lake", sentence, params, remedy))
        if kept.waiting_since is not None and at - kept.waiting_since > SEALING_LATE:
            minutes = int((at - kept.waiting_since).total_seconds()) // 60
            late: dict[str, str | int] = {"source": kept.source, "minutes": minutes, "mb": kept.waiting_bytes >> 20}
            sentence = msgid(
                "%(source)s fills the lake faster than it is sealed: %(mb)s MB wait, since %(minutes)s minutes"
            )
            remedy = msgid(
                "nothing is lost, and hunts take longer: give the node faster cores, or let the sensor log less"
            )
            yield Finding(Level.WARNING, Reason("telemetry-sealing", sentence, late, remedy))
