"""Ask the gate, for one nation and under one agreement, about what that nation was released, each time anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from mithaq.exchange.context import Context
from mithaq.exchange.kept_reasons import LEFT_OUT
from mithaq.exchange.settings import PROTOCOL_VERSION
from mithaq.exchange.store import sent, sent_objects
from mithaq.exchange.taxii.partners.model import Given, PartnerShelf
from mithaq.exchange.taxii.partners.rules import against, against_all, ending
from mithaq.intelligence.model import StoredObject
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.reason import Reason
from mithaq.release.model import Carried, Item, Recipient, Released, Request, Withheld
from mithaq.release.rules import carried_terms, judge
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

_TAKEN: Final = frozenset({"admitted", "partly-admitted"})
_AT_ONCE: Final = 500
_GIVEN: Final = (
    select(
        sent_objects.c.object_row,
        sent_objects.c.object_id,
        sent.c.sequence,
        sent.c.agreement_version,
        sent.c.purpose,
        sent.c.lane,
        sent.c.sent_at,
        sent.c.outcome,
        sent.c.refused,
    )
    .join(sent, (sent.c.recipient == sent_objects.c.recipient) & (sent.c.sequence == sent_objects.c.sequence))
    .where(
        sent_objects.c.object_id.in_(bindparam("ids", expanding=True)),
        sent_objects.c.recipient == bindparam("nation"),
        sent.c.agreement_id == bindparam("agreement_id"),
        sent.c.action == "release",
        sent_objects.c.object_row.is_not(None),
    )
    .order_by(sent.c.sequence)
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What may be served, or all that stands against it; `until`: when the nation must have deleted it."""

    released: Released[Item] | None
    reasons: tuple[Reason, ...]
    until: datetime


class PartnerJudge:
    """The gate for nations' collections at one instant over one view of the database; short-lived."""

    def __init__(self, context: Context, connection: Connection, at: datetime) -> None:
        self._context = context
        self._connection = connection
        self._at = at
        self._gate = context.gatekeeper(connection, at)
        self._carried: dict[tuple[object, ...], Carried | None] = {}

    def released(self, rows: Sequence[Any], shelf: PartnerShelf) -> list[Released[Item] | None]:
        """Decide about rows of a page of this shelf, in their order; None is withheld."""
        decided = self.decide({row.row: row.stix_id for row in rows}, shelf)
        return [each.released if (each := decided.get(row.row)) else None for row in rows]

    def decide(self, ids: Mapping[int, str], shelf: PartnerShelf) -> dict[int, Decision]:
        """Decide about held objects, by row; what was not released to the nation under the agreement is left out.

        Where a version went more than once, the newest release that may be served counts, else the newest.
        """
        everything = self.against_all(shelf.nation, shelf.agreement_id)
        held = {stored.row: stored for stored in self._context.holdings.rows(self._connection, list(ids))}
        decided: dict[int, Decision] = {}
        for row in self._given(sorted(set(ids.values())), shelf):
            stored = held.get(row.object_row)
            if stored is not None:
                decision = self._decide(stored, row, shelf, everything)
                before = decided.get(stored.row)
                if decision.released or before is None or not before.released:
                    decided[stored.row] = decision
        return decided

    def against_all(self, nation: NationId, agreement_id: str) -> tuple[Reason, ...]:
        """Return what stands against every object alike: of the gate, and of what TAXII cannot say."""
        agreement = self._gate.agreement(agreement_id)
        unsaid = tuple(against_all(agreement.document.terms)) if agreement else ()
        return self.ending(nation, agreement_id) + unsaid

    def ending(self, nation: NationId, agreement_id: str) -> tuple[Reason, ...]:
        """Return what of the gate stands against every object alike, so that no account works any more."""
        partner = self._gate.partner(nation)
        nothing = Item("", "", "", "", Tlp.CLEAR, Pap.CLEAR, ACTUAL, self._context.own)
        request = Request(
            nothing,
            self._context.own,
            Recipient("nation", nation),
            partner is not None and partner.is_trusted,
            self._gate.agreement(agreement_id),
            "",
            protocol=PROTOCOL_VERSION,
        )
        return ending(judge(request, self._at).reasons)

    def _decide(self, stored: StoredObject, row: Any, shelf: PartnerShelf, everything: tuple[Reason, ...]) -> Decision:
        decision = self._gate.decide(stored, shelf.nation, shelf.agreement_id, row.purpose)
        given = self._given_as(stored, row, shelf)
        reasons = (*everything, *against(given, shelf.nation, self._at))
        if isinstance(decision, Withheld):
            known = {reason.code for reason in reasons}
            reasons += tuple(reason for reason in decision.reasons if reason.code not in known)
        released = decision if isinstance(decision, Released) and not reasons else None
        return Decision(released, reasons, given.delete_after)

    def _given_as(self, stored: StoredObject, row: Any, shelf: PartnerShelf) -> Given:
        """Return one release of an object, with the terms under which it went."""
        terms = self._terms(self._gate.item(stored), row, shelf)
        refused = {each["object"] for each in row.refused or ()}
        is_refused = row.outcome not in _TAKEN or not refused.isdisjoint({stored.stix.id, LEFT_OUT})
        return Given(
            sequence=row.sequence,
            lane=row.lane,
            outcome=row.outcome,
            is_refused=is_refused,
            tlp=terms.tlp if terms else Tlp.RED,
            delete_after=terms.delete_after if terms else row.sent_at,
        )

    def _terms(self, item: Item, row: Any, shelf: PartnerShelf) -> Carried | None:
        """Return the terms under which an object went; those of one release are mostly alike, and made once."""
        alike = (row.agreement_version, row.sent_at, item.originator, item.tlp, item.pap, item.carried)
        if alike not in self._carried:
            agreement = self._context.agreements.find(self._connection, shelf.agreement_id, row.agreement_version)
            own, nation = self._context.own, shelf.nation
            self._carried[alike] = carried_terms(item, agreement, own, nation, row.sent_at) if agreement else None
        return self._carried[alike]

    def _given(self, ids: Sequence[str], shelf: PartnerShelf) -> list[Any]:
        return [
            row
            for start in range(0, len(ids), _AT_ONCE)
            for row in self._connection.execute(
                _GIVEN,
                {
                    "ids": ids[start : start + _AT_ONCE],
                    "nation": shelf.nation,
                    "agreement_id": shelf.agreement_id,
                },
            )
        ]
