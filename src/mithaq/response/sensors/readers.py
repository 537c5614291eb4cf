"""What sensor content does when the journal says something happened.

Only erasures are read with a durable cursor: what is erased must go from kept versions too. Other news only wake the
worker, which compares what a bundle should hold with what it holds; so nothing is lost where one was missed.
"""

from collections.abc import Sequence
from typing import Final

from mithaq.kernel.database import Transaction
from mithaq.kernel.journal import Entry, Reader
from mithaq.response.sensors import store
from mithaq.response.sensors.service import SENSOR_CHANGED
from mithaq.response.service import NEVER_CHANGED

READER: Final = "response.sensors"
_ERASED: Final = "intelligence.erased"
NEWS: Final = frozenset(
    {"intelligence.stored", "intelligence.withdrawn", _ERASED, "exchange.orders", NEVER_CHANGED, SENSOR_CHANGED}
)
"""After which entries a bundle may have to change."""


def reader() -> Reader:
    """Return the journal reader that erases what kept versions copied."""
    return Reader(READER, frozenset({_ERASED}), _handle)


def _handle(tx: Transaction, entries: Sequence[Entry]) -> None:
    store.erase(tx, {str(object_id) for entry in entries for object_id in entry.detail["objects"]})
