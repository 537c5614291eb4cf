"""Logs that contradict what was seen of them, or what this nation holds: which kind it is, from what was kept."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from mithaq.exchange.log import store
from mithaq.exchange.log.attached import read_attached
from mithaq.exchange.log.seen import OTHER_HASH
from mithaq.exchange.membership.record import About, read_record
from mithaq.kernel.ids import NationId
from mithaq.kernel.tlog.checkpoint import Checkpoint
from mithaq.kernel.tlog.note import read_note
from mithaq.nations.names import MembershipName, logs_of, parse_origin

_SHOWN = 50
_NEWEST = (
    select(store.evidence)
    .where(store.evidence.c.origin.like(bindparam("origin")))
    .order_by(store.evidence.c.row.desc())
    .limit(_SHOWN)
)
_ORIGINS = select(store.evidence.c.origin).distinct()


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two signed words of a log, or of two logs, that do not go together.

    `ruling` says how: `two-roots` (one size, two roots), `not-consistent` (a longer log that does not continue the one
    seen before), `rolled-back` (fewer leaves than were seen), `other-hash` (`about` one thing, two nations' membership
    logs hold different texts). `agreement_id` is empty for a release log. `seen` and `shown` count leaves; 0 where no
    checkpoint was known.
    """

    origin: str
    nation: NationId
    agreement_id: str
    ruling: str
    at: datetime
    seen: int
    shown: int
    about: About | None = None


def conflicts(connection: Connection, *, nation: NationId | None = None, agreement_id: str = "") -> list[Conflict]:
    """Return what was kept, the newest first: all, or of one nation's logs, or of the logs of one agreement."""
    like = f"{logs_of(nation)}%" if nation else f"%/agreements/{agreement_id}%" if agreement_id else "%"
    return [_conflict(row) for row in connection.execute(_NEWEST, {"origin": like})]


def contradicting(connection: Connection) -> frozenset[NationId]:
    """Return the nations of whose logs a contradiction was kept."""
    return frozenset(parse_origin(origin).nation for origin in connection.scalars(_ORIGINS))


def _conflict(row: Any) -> Conflict:
    name = parse_origin(row.origin)
    agreement_id = name.agreement_id if isinstance(name, MembershipName) else ""
    seen, shown, about = bytes(row.seen), bytes(row.shown), None
    if row.ruling == OTHER_HASH:
        about = read_record(read_attached(shown).record, agreement_id).about
        before, now = (read_attached(each).proof.checkpoint.size for each in (seen, shown))
    else:
        before, now = (Checkpoint.of(read_note(each)).size if each else 0 for each in (seen, shown))
    return Conflict(row.origin, name.nation, agreement_id, row.ruling, row.at, before, now, about)
