"""Is an object looked for, and where not: what an analyst asks when nothing is detected."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from mithaq.detection.breaker import Rate, rates_of
from mithaq.detection.rules import against_detection
from mithaq.intelligence.model import StoredObject
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel.reason import Reason


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
    warned = [(each.value, named) for each in counts.stix.observables[:50] if (named := lists.warned(each))]
    return Looking(against_detection(counts, at), rates_of(connection, counts.stix.id, counts.lane), warned)
