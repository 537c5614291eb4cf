"""The lake: whether all that is kept can be read."""

from collections.abc import Iterator

from sqlalchemy import Connection

from mithaq.kernel.reason import Reason
from mithaq.node.health.model import Finding, Level
from mithaq.node.language import msgid
from mithaq.telemetry.lake import keeping


def segments(connection: Connection) -> Iterator[Finding]:
    """Every segment of every source can be read, whole."""
    for kept in keeping.holdings(connection):
        if kept.troubled:
            params: dict[str, str | int] = {"source": kept.source, "count": kept.troubled}
            sentence = msgid("segments of %(source)s in the lake that cannot be read, or not whole: %(count)s")
            remedy = msgid(
                "hunts leave them out: see which, and put back their files from a backup: mithaq telemetry lake"
            )
            yield Finding(Level.WRONG, Reason("telemetry-lake", sentence, params, remedy))
