"""What this nation remembers of its partners' logs: the latest checkpoint of each, and two words that do not agree."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, bindparam, select

from mithaq.exchange.log import store
from mithaq.kernel.database import Transaction, insert_ignore, upsert
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.tlog.checkpoint import Checkpoint
from mithaq.kernel.tlog.note import Note
from mithaq.kernel.tlog.witness import Seen
from mithaq.nations.names import parse_origin

OTHER_HASH: Final = "other-hash"
_KEPT = (
    select(store.evidence.c.row)
    .where(
        store.evidence.c.origin == bindparam("origin"),
        store.evidence.c.ruling == bindparam("ruling"),
        store.evidence.c.seen == bindparam("seen"),
    )
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two signed words that do not go together.

    Of one log `seen` and `shown` are checkpoints; where two nations' membership logs contradict each other (`ruling` is
    `other-hash`) they are the proofs of both entries, `seen` in this nation's log and `shown` in its partner's.
    """

    origin: str
    ruling: str
    seen: bytes
    shown: bytes
    at: datetime


def seen_of(connection: Connection, origin: str, *, lock: bool = False) -> Seen:
    """Return the latest checkpoint of a partner's log that is remembered here, locked where asked."""
    query = select(store.witnessed).where(store.witnessed.c.origin == origin)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return Seen(row.size, bytes(row.root), bytes(row.note)) if row else Seen()


def remember(tx: Transaction, note: Note) -> None:
    """Remember a checkpoint that extends the one known before."""
    checkpoint = Checkpoint.of(note)
    row = {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root,
        "note": note.encode(),
        "at": tx.at,
    }
    upsert(tx, store.witnessed, [row], keys=("origin",), changed=("size", "root", "note", "at"))


def keep_contradiction(tx: Transaction, origin: str, ruling: str, seen: bytes, shown: bytes, size: int) -> None:
    """Keep two signed words that do not go together, and tell the journal of it; each contradiction once.

    Of one log the first word that does not go with what was seen is enough, whatever it shows after that.
    """
    if ruling != OTHER_HASH:
        same = {"origin": origin, "ruling": ruling, "seen": seen}
        if tx.execute(_KEPT, same).first() is not None:
            return
    row = {"origin": origin, "ruling": ruling, "seen": seen, "shown": shown, "at": tx.at}
    insert_ignore(tx, store.evidence, [row])
    tx.append(
        "exchange.contradiction",
        subject=origin,
        lane=ACTUAL,
        actor=f"nation:{parse_origin(origin).nation}",
        detail={"ruling": ruling, "size": size},
    )


def evidence(connection: Connection) -> list[Evidence]:
    """Return everything that was kept, oldest first."""
    rows = connection.execute(select(store.evidence).order_by(store.evidence.c.row))
    return [Evidence(row.origin, row.ruling, bytes(row.seen), bytes(row.shown), row.at) for row in rows]
