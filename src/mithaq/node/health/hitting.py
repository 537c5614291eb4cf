"""What hit too often and waits for somebody to look."""

from collections.abc import Iterator

from sqlalchemy import Connection

from mithaq.detection.hits.breaker import stopped
from mithaq.kernel.reason import Reason
from mithaq.node.health.model import Finding, Level
from mithaq.node.language import msgid

_SHOWN = 20


def breakers(connection: Connection) -> Iterator[Finding]:
    """Nothing is stopped because it hit everything."""
    for rate in stopped(connection, limit=_SHOWN):
        params: dict[str, str | int] = {"object": rate.indicator_id, "source": rate.source, "count": rate.held_back}
        sentence = msgid("%(object)s hit too often in %(source)s and is stopped there; held back: %(count)s")
        remedy = msgid("decide: mithaq hit resume %(object)s %(source)s, or mithaq hit keep-off %(object)s %(source)s")
        yield Finding(Level.WARNING, Reason("hit-breaker", sentence, params, remedy))
