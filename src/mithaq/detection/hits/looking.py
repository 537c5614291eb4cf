"""Is an object looked for, and where not: what an analyst asks when nothing is detected."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from mithaq.detection.hits.breaker import Rate, rates_of
from mithaq.detection.rules import against_detection
from mithaq.intelligence.errors import WarningListsFailed
from mithaq.intelligence.model import StoredObject
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel.reason import Reason

_log = logging.getLogger(__name__)
_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class Looking:
    """Whether an object is looked for: all reasons against it, where it was stopped, which lists warn of its values."""

    against: tuple[Reason, ...]
    stopped: Sequence[Rate]
    warned: Sequence[tuple[str, tuple[str, ...]]]


def looking(
    connection: Connection, versions: Sequence[StoredObject], lists: WarningLists, at: datetime
) -> Looking | None:
    """Judge the newest of these versions that stands, newest first; None for what is no indicator."""
    counts = next((each for each in versions if each.stands), versions[0])
    if counts.stix.type != "indicator":
        return None
    stopped = rates_of(connection, counts.stix.id, counts.lane)
    return Looking(against_detection(counts, at), stopped, _warned(counts, lists))


def _warned(stored: StoredObject, lists: WarningLists) -> list[tuple[str, tuple[str, ...]]]:
    try:
        told = [(each.value, lists.warned(each)) for each in stored.stix.observables[:_SHOWN]]
    except WarningListsFailed as error:  # what else is known of the object is worth showing
        _log.error("%s (%s)", error, error.private)
        return []
    return [(value, named) for value, named in told if named]
