"""Keep what came of comparing with each party's log, and read it again."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from mithaq.exchange.log.store import LogRow
from mithaq.exchange.membership import store
from mithaq.exchange.membership.difference import Difference
from mithaq.exchange.membership.model import Compared, Finding, Outcome
from mithaq.kernel.database import Transaction
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason

MAX_KEPT = 100
"""So many differences are kept of one log, contradictions before all others."""


def keep(tx: Transaction, agreement_id: str, compared: Compared, own: LogRow | None) -> None:
    """Keep what came of a comparison; where the log could not be read, what was known of it before stays."""
    before = store.row_of(tx.connection, agreement_id, compared.nation)
    row = before._asdict() if before else store.blank(agreement_id, compared.nation, tx.at)
    row |= {"tried_at": tx.at, "trouble": _trouble(compared.trouble)}
    if compared.trouble is None:
        differs = not compared.agrees
        row |= {
            "read_at": tx.at,
            "own_log": own.log if own else 0,
            "own_size": own.edge.size if own else 0,
            "origin": compared.origin,
            "size": compared.size,
            "note": compared.note,
            "findings": [[each.kind, each.seen, each.shown] for each in compared.findings],
            "differences": _kept(compared.differences),
            "differs_since": (row["differs_since"] or tx.at) if differs else None,
        }
    store.save(tx, row)


def outcomes(connection: Connection, agreement_id: str = "") -> list[Outcome]:
    """Return what is known of the other parties' logs of one agreement, or of all."""
    return [_outcome(row) for row in store.rows(connection, agreement_id)]


def _trouble(error: Error | None) -> dict[str, Any] | None:
    return {"code": error.code, "message": error.message, "params": error.params} if error else None


def _kept(differences: Sequence[Difference]) -> list[Any]:
    first = sorted(differences, key=lambda each: not each.is_contradiction)[:MAX_KEPT]
    return [[each.kind, list(each.about), each.here, each.there] for each in first]


def _outcome(row: Any) -> Outcome:
    differences = [Difference(kind, (*about,), here, there) for kind, about, here, there in row.differences]
    return Outcome(
        row.agreement,
        NationId(row.nation),
        row.tried_at,
        row.read_at,
        (row.own_log, row.own_size),
        row.origin,
        row.size,
        bytes(row.note),
        [Finding(*each) for each in row.findings],
        differences,
        row.differs_since,
        Reason.of_json(row.trouble) if row.trouble else None,
    )
