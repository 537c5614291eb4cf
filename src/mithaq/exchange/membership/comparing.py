"""Hold a partner's membership log against what it showed before, and against this nation's own."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from mithaq.agreements.errors import NotAParty, UnknownAgreement
from mithaq.exchange.context import Context
from mithaq.exchange.log import store
from mithaq.exchange.log.attached import Attached, read_attached
from mithaq.exchange.log.logs import Place
from mithaq.exchange.log.seen import OTHER_HASH, keep_contradiction, remember, seen_of
from mithaq.exchange.membership.difference import Difference, compare, other_leaf
from mithaq.exchange.membership.model import Compared, Finding
from mithaq.exchange.membership.outcome import keep
from mithaq.exchange.membership.record import Record, read_records
from mithaq.exchange.membership.service import Membership
from mithaq.exchange.membership.shown import Shown, Source, read_shown
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.tlog.checkpoint import Checkpoint
from mithaq.kernel.tlog.witness import Ruling, Seen
from mithaq.nations.model import Partner
from mithaq.nations.names import MembershipName, parse_origin

ROLLED_BACK: Final = "rolled-back"


class Comparing:
    """Compare logs; what contradicts is kept, with both signed words."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._membership = Membership(context)

    def partners(self, agreement_id: str, at: datetime) -> list[Partner]:
        """Return the other parties to an agreement whose cards are known here.

        Raises:
            UnknownAgreement: no version of it was concluded, so that there is no log of it.
        """
        with self._context.db.read() as connection:
            members = self._membership.members(connection, agreement_id, at)
            known = self._context.partners.all(connection)
        if not members:
            raise UnknownAgreement("no such agreement at this node", subject=agreement_id)
        return [each for each in known if each.nation in members]

    def with_all(self, agreement_id: str, source: Callable[[Partner], Source], at: datetime) -> list[Compared]:
        """Compare with every other party; one that cannot be read holds up no other.

        Raises:
            UnknownAgreement: there is no log of it.
        """
        return [
            self.read(agreement_id, partner.nation, source(partner), at) for partner in self.partners(agreement_id, at)
        ]

    def read(self, agreement_id: str, nation: NationId, source: Source, at: datetime) -> Compared:
        """Compare with the log as its keeper shows it now, and keep what came of it as the newest word.

        Raises:
            UnknownAgreement, NotAParty: as for `with_partner`.
        """
        with self._context.db.read() as connection:
            own = store.newest_log(connection, agreement=agreement_id)
        compared = self.with_partner(agreement_id, nation, source, at)
        with self._context.db.write(at) as tx:
            keep(tx, agreement_id, compared, own)
        return compared

    def with_partner(self, agreement_id: str, nation: NationId, source: Source, at: datetime) -> Compared:
        """Read a partner's log and compare.

        Raises:
            UnknownAgreement: there is no log of it.
            NotAParty: that nation is no other party to it.
        """
        partner = next((each for each in self.partners(agreement_id, at) if each.nation == nation), None)
        if partner is None:
            raise NotAParty("%(nation)s is no other party to the agreement", subject=agreement_id, nation=nation)
        with self._context.db.read() as connection:
            before = _seen_before(connection, nation, agreement_id)
        try:
            shown = read_shown(source, nation, agreement_id, partner.card.log_key)
        except Error as error:
            return Compared(nation, trouble=error)
        findings = self._judge(shown, before, at)
        if any(each.is_refused for each in findings):
            return Compared(nation, shown.name.origin, shown.size, findings, note=shown.note.encode())
        own = self._own(agreement_id)
        differences = compare(own, shown.records)
        evidence = [self._evidence(own, shown, each, at) for each in differences if each.is_contradiction]
        return Compared(
            nation, shown.name.origin, shown.size, findings, differences, evidence, note=shown.note.encode()
        )

    def _own(self, agreement_id: str) -> list[Record]:
        with self._context.db.read() as connection:
            return self._membership.records(connection, agreement_id)

    def _judge(self, shown: Shown, before: dict[int, Seen], at: datetime) -> list[Finding]:
        """Rule on a log over what was seen of it before it was read, then over what was seen meanwhile."""
        newest = max(before, default=shown.name.shard)
        known = before.get(newest, Seen())
        if shown.name.shard < newest or (shown.name.shard == newest and shown.size < known.size):
            self._keep(shown, ROLLED_BACK, known, at)
            return [Finding(ROLLED_BACK, known.size, shown.size)]
        origin = shown.name.origin
        with self._context.db.write(at) as tx:
            seen = seen_of(tx.connection, origin, lock=True)
            holds = seen.size > shown.size or shown.root_at(seen.size) == seen.root
            if holds and shown.size > seen.size:
                remember(tx, shown.note)
        if not holds:
            ruling = Ruling.TWO_ROOTS if seen.size == shown.size else Ruling.NOT_CONSISTENT
            self._keep(shown, ruling, seen, at)
            return [Finding("two-roots" if ruling is Ruling.TWO_ROOTS else "not-consistent", seen.size, shown.size)]
        earlier = max((shard for shard in before if shard < shown.name.shard), default=0)
        return [Finding("begun-anew", before[earlier].size, shown.size)] if earlier else []

    def _keep(self, shown: Shown, ruling: str, seen: Seen, at: datetime) -> None:
        with self._context.db.write(at) as tx:
            keep_contradiction(tx, shown.name.origin, ruling, seen.note, shown.note.encode(), shown.size)

    def _evidence(
        self, own: Sequence[Record], shown: Shown, difference: Difference, at: datetime
    ) -> tuple[Attached, Attached]:
        """Return both entries of a contradiction, each proven under its log's signed checkpoint; keep the first pair.

        One pair about one thing is enough, however many texts a log goes on to show.
        """
        here = self._attached(shown.name.agreement_id, other_leaf(own, difference.about, shown.records))
        there = shown.attached(other_leaf(shown.records, difference.about, own))
        origin = shown.name.origin
        query = select(store.evidence.c.shown).where(
            store.evidence.c.origin == origin, store.evidence.c.ruling == OTHER_HASH
        )
        with self._context.db.write(at) as tx:
            kept = [read_attached(bytes(each)).record for each in tx.connection.scalars(query)]
            if difference.about not in {each.about for each in read_records(kept, shown.name.agreement_id)}:
                keep_contradiction(tx, origin, OTHER_HASH, here.encode(), there.encode(), shown.size)
        return here, there

    def _attached(self, agreement_id: str, leaf: int) -> Attached:
        """Return a leaf of this nation's own log with its proof."""
        with self._context.db.read() as connection:
            row = store.newest_log(connection, agreement=agreement_id)
        if row is None:
            raise UnknownAgreement("no such agreement at this node", subject=agreement_id)
        note = self._membership.cosigned_checkpoint(row.log)
        with self._context.db.read() as connection:
            (entry,) = store.read_entries(connection, row.log, leaf, leaf + 1)
            return Attached(self._membership.inclusion(connection, Place(row.log, leaf), note), entry)


def _seen_before(connection: Connection, nation: NationId, agreement_id: str) -> dict[int, Seen]:
    """Return what is remembered of each shard of a partner's log of an agreement."""
    first = MembershipName(nation, agreement_id).origin
    table = store.witnessed
    query = select(table).where(table.c.origin.in_([first]) | table.c.origin.like(f"{first}.%"))
    found: dict[int, Seen] = {}
    for row in connection.execute(query):
        name = parse_origin(row.origin)
        if isinstance(name, MembershipName):
            found[name.shard] = Seen(row.size, bytes(row.root), bytes(row.note))
    return found


def newest_checkpoint(context: Context, agreement_id: str) -> Checkpoint | None:
    """Return how this nation's own membership log of an agreement stands; nothing where there is none."""
    with context.db.read() as connection:
        row = store.newest_log(connection, agreement=agreement_id)
    return Checkpoint(row.origin, row.edge.size, row.edge.root) if row else None
