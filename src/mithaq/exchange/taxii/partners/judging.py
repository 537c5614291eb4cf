"""Ask the gate, for one nation and under one agreement, about what that nation was released, each time anew."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, bindparam, select

from mithaq.exchange import columns
from mithaq.exchange.columns import COLUMNS, ROW
from mithaq.exchange.context import Context
from mithaq.exchange.items import Subject
from mithaq.exchange.kept_reasons import LEFT_OUT
from mithaq.exchange.settings import PROTOCOL_VERSION
from mithaq.exchange.store import sent, sent_objects
from mithaq.exchange.taxii.partners.model import Given, PartnerShelf
from mithaq.exchange.taxii.partners.rules import against, against_all, ending
from mithaq.intelligence.tables import objects
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.reason import Reason
from mithaq.release.model import Carried, Item, Recipient, Released, Request, Withheld
from mithaq.release.rules import carried_terms, judge
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

_NOTHING: Final[frozenset[str]] = frozenset()
_TAKEN: Final = frozenset({"admitted", "partly-admitted"})
_AT_ONCE: Final = 500
_GIVEN: Final = (
    select(sent_objects.c.object_row, sent_objects.c.sequence)
    .where(
        sent_objects.c.object_id.in_(bindparam("ids", expanding=True)),
        sent_objects.c.recipient == bindparam("nation"),
        sent_objects.c.object_row.is_not(None),
    )
    .order_by(sent_objects.c.sequence)
)
_RELEASES: Final = select(
    sent.c.sequence,
    sent.c.agreement_version,
    sent.c.purpose,
    sent.c.lane,
    sent.c.sent_at,
    sent.c.outcome,
    sent.c.refused,
).where(
    sent.c.recipient == bindparam("nation"),
    sent.c.sequence.in_(bindparam("sequences", expanding=True)),
    sent.c.agreement_id == bindparam("agreement_id"),
    sent.c.action == "release",
)
_ROWS: Final = select(*COLUMNS).where(objects.c.row.in_(bindparam("rows", expanding=True)))


class Decision(msgspec.Struct, frozen=True, gc=False):
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
        self._alike: dict[tuple[object, ...], tuple[tuple[Reason, ...], datetime]] = {}

    def released(self, rows: Sequence[Any], shelf: PartnerShelf) -> list[Released[Item] | None]:
        """Decide about rows of a page of this shelf, in their order; None is withheld."""
        decided = self._decide(rows, shelf)
        return [each.released if (each := decided.get(row[ROW])) else None for row in rows]

    def decide(self, numbers: Sequence[int], shelf: PartnerShelf) -> dict[int, Decision]:
        """Decide about held objects, by row; what was not released to the nation under the agreement is left out.

        Where a version went more than once, the newest release that may be served counts, else the newest.
        """
        return self._decide(
            [
                row
                for start in range(0, len(numbers), _AT_ONCE)
                for row in self._connection.execute(_ROWS, {"rows": list(numbers[start : start + _AT_ONCE])})
            ],
            shelf,
        )

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

    def _decide(self, rows: Sequence[Any], shelf: PartnerShelf) -> dict[int, Decision]:
        subjects = {each.row: each for each in columns.subjects(self._connection, self._context.own, rows)}
        given = self._given(subjects, shelf)
        asked: dict[str, dict[int, Subject]] = defaultdict(dict)
        for number, release in given:
            asked[release.purpose][number] = subjects[number]
        said = {purpose: self._asked(list(of.values()), purpose, shelf) for purpose, of in asked.items()}
        everything = self.against_all(shelf.nation, shelf.agreement_id)
        decided: dict[int, Decision] = {}
        for number, release in given:
            unsaid, until = self._unsaid(subjects[number].item, release, shelf)
            decision = _decision(said[release.purpose][number], everything + unsaid, until)
            before = decided.get(number)
            if decision.released or before is None or not before.released:
                decided[number] = decision
        return decided

    def _asked(
        self, subjects: Sequence[Subject], purpose: str, shelf: PartnerShelf
    ) -> dict[int, Released[Item] | Withheld]:
        decided = self._gate.decide_many(subjects, shelf.nation, shelf.agreement_id, purpose)
        return {subject.row: each for subject, each in zip(subjects, decided, strict=True)}

    def _given(self, subjects: Mapping[int, Subject], shelf: PartnerShelf) -> list[tuple[int, Any]]:
        """Return in which releases these rows went to the nation under the agreement, in the order of the releases."""
        ids = sorted({each.item.id for each in subjects.values()})
        inside = [
            (number, sequence)
            for start in range(0, len(ids), _AT_ONCE)
            for number, sequence in self._connection.execute(
                _GIVEN, {"ids": ids[start : start + _AT_ONCE], "nation": shelf.nation}
            )
            if number in subjects
        ]
        releases = self._releases(sorted({sequence for _, sequence in inside}), shelf)
        return [(number, releases[sequence]) for number, sequence in inside if sequence in releases]

    def _releases(self, sequences: Sequence[int], shelf: PartnerShelf) -> dict[int, Any]:
        named = {"nation": shelf.nation, "agreement_id": shelf.agreement_id}
        return {
            row.sequence: row
            for start in range(0, len(sequences), _AT_ONCE)
            for row in self._connection.execute(_RELEASES, named | {"sequences": sequences[start : start + _AT_ONCE]})
        }

    def _unsaid(self, item: Item, release: Any, shelf: PartnerShelf) -> tuple[tuple[Reason, ...], datetime]:
        """Return what stands against an object of one release beside the gate, and when it must have been deleted.

        Objects of one release are mostly alike, and looked at once.
        """
        refused = {each["object"] for each in release.refused} if release.refused else _NOTHING
        is_refused = item.id in refused or LEFT_OUT in refused
        alike = (shelf.id, release.sequence, is_refused, item.originator, item.tlp, item.pap, item.carried)
        known = self._alike.get(alike)
        if known is None:
            terms = self._terms(item, release, shelf)
            given = Given(
                sequence=release.sequence,
                lane=release.lane,
                outcome=release.outcome,
                is_refused=is_refused or release.outcome not in _TAKEN,
                tlp=terms.tlp if terms else Tlp.RED,
                delete_after=terms.delete_after if terms else release.sent_at,
            )
            reasons = tuple(against(given, shelf.nation, self._at))
            known = self._alike[alike] = (reasons, given.delete_after)
        return known

    def _terms(self, item: Item, release: Any, shelf: PartnerShelf) -> Carried | None:
        """Return the terms under which an object went."""
        agreement = self._context.agreements.find(self._connection, shelf.agreement_id, release.agreement_version)
        if agreement is None:
            return None
        return carried_terms(item, agreement, self._context.own, shelf.nation, release.sent_at)


def _decision(said: Released[Item] | Withheld, reasons: tuple[Reason, ...], until: datetime) -> Decision:
    """Return a decision with what the gate says, and what else stands against it."""
    if isinstance(said, Withheld):
        known = {reason.code for reason in reasons}
        more = tuple(reason for reason in said.reasons if reason.code not in known)
        return Decision(None, reasons + more, until)
    return Decision(None if reasons else said, reasons, until)
