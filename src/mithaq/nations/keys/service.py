"""What can be done with this nation's own key statements."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.keys import rules, store
from mithaq.nations.keys.errors import BadStatement
from mithaq.nations.keys.model import Revocation, Root, Signed, Statement
from mithaq.nations.keys.settings import STATEMENT_VALID_DAYS
from mithaq.nations.model import OnlineKeys


class OwnKeys:
    """The row of statements by which this nation's officials say what its node signs with."""

    def __init__(self, db: Database, own: NationId) -> None:
        self._db = db
        self._own = own

    def row(self, connection: Connection) -> list[Signed]:
        """Return every statement of this nation, oldest first."""
        return store.row_of(connection, self._own)

    def draft(
        self,
        online: OnlineKeys,
        *,
        at: datetime,
        roots: Sequence[Root] = (),
        threshold: int | None = None,
        revoked: Sequence[Revocation] = (),
        valid_days: int = STATEMENT_VALID_DAYS,
    ) -> Statement:
        """Return the statement that would follow the newest, for the officials to sign; nothing is kept.

        Roots and threshold are those of the newest where none are given.

        Raises:
            BadStatement: roots, threshold or revocations are not acceptable.
        """
        with self._db.read() as connection:
            newest = store.newest(connection, self._own)
        if newest is None and not roots:
            raise BadStatement("the first statement needs its root keys", subject=self._own)
        before = newest.statement if newest else None
        return rules.draft(
            newest,
            nation=self._own,
            roots=roots or (before.roots if before else ()),
            threshold=threshold or (before.threshold if before and not roots else len(roots)),
            online=online,
            revoked=revoked,
            at=at,
            expires_at=at + timedelta(days=valid_days),
        )

    def publish(self, envelope: bytes, *, at: datetime, actor: str) -> Signed:
        """Keep a statement that enough officials have signed; the same one twice is one.

        Raises:
            BadJson, BadSignature, BadStatement: it does not follow from what is known; nothing was changed.
        """
        with self._db.write(at) as tx:
            known = store.row_of(tx.connection, self._own)
            new = rules.accept_row([envelope], known, self._own, at)
            if not new:
                return known[-1]
            rules.check_current(new[-1].statement, at)
            store.append(tx, self._own, new)
            detail = {"version": new[-1].statement.version, "revoked": len(new[-1].statement.revoked)}
            tx.append("nations.statement", subject=self._own, lane=ACTUAL, actor=actor, detail=detail)
            return new[-1]
