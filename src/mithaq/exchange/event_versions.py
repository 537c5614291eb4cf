"""Keep a MISP event that was imported or fetched, and take back what its giver gives in no newest event any more.

A MISP says that something is wrong by deleting it in the event's next version. What another newest event of the same
giver gives still stands, and so does what others say, or what this nation has said itself.
"""

from collections.abc import Mapping
from typing import Any, Final

from mithaq.exchange.recalling import take_back_given
from mithaq.intelligence import foreign
from mithaq.intelligence.model import NewEvent
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.store import lock
from mithaq.kernel.database import Transaction

TAKEN_OUT: Final = "taken out of its MISP event"


def keep_event(tx: Transaction, holdings: Holdings, new: NewEvent) -> int:
    """Keep what became of an event, whichever of its versions it is; return of how many objects a word was taken back.

    Where the newest version comes again, everything is looked at that its giver ever gave with the event.
    """
    lock(tx)
    known = foreign.of_uuid(tx.connection, new.uuid, new.lane)
    before = next((each for each in known if each.nation == new.nation), None)
    foreign.keep(tx, new)
    if before is None:
        return 0
    held = foreign.object_ids(tx.connection, before.id)
    if new.timestamp < before.timestamp:
        gone = new.object_ids - held
    elif new.timestamp == before.timestamp:
        gone = foreign.all_object_ids(tx.connection, before) - new.object_ids
    else:
        gone = held - new.object_ids
    ids = sorted(foreign.given_no_more(tx.connection, gone, new.lane, new.nation))
    return take_back_given(tx, holdings, ids, new.lane, new.nation, TAKEN_OUT, _came_with_an_event)


def _came_with_an_event(source: str, carried: Mapping[str, Any]) -> bool:
    return source == "import" and "misp" in carried
