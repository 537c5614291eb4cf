"""What the duties do when the journal says something happened: start clocks, settle them, write down retention."""

from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import select

from mithaq.exchange import store as exchange
from mithaq.exchange.context import Context
from mithaq.exchange.duties import recall, retention, timekeeping
from mithaq.exchange.duties.record import fulfil_by_release, owe
from mithaq.exchange.protecting import original_of
from mithaq.exchange.taxii.model import PREFIX
from mithaq.intelligence.model import StoredObject
from mithaq.kernel.clock import from_rfc3339
from mithaq.kernel.database import Transaction
from mithaq.kernel.ids import NationId
from mithaq.kernel.journal import Entry, Reader
from mithaq.release.obligations import (
    INCIDENT_STAGES,
    Occasion,
    Owed,
    false_positive_duty,
    feedback_duty,
    lapses_on_exit,
    release_duties,
)

READER = "exchange.duties"
KINDS = frozenset(
    {
        "agreements.changed",
        "detection.hit.confirmed",
        "detection.hit.dismissed",
        "exchange.admitted",
        "exchange.quarantined",
        "exchange.receipt",
        "exchange.released",
        "intelligence.stored",
        "intelligence.withdrawn",
    }
)
FeedbackDuty = Callable[[Occasion, NationId, NationId], Owed | None]
STAGE_LABEL = "incident-stage:"
"""A label of an incident or of a report on it that says which of the three notices it is."""


class Bookkeeping:
    """Keep the clocks in step with what happens."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def reader(self) -> Reader:
        """Return the journal reader that keeps the clocks."""
        return Reader(READER, KINDS, self.handle)

    def handle(self, tx: Transaction, entries: Sequence[Entry]) -> None:
        """Start and settle what the entries call for, in the transaction that moves the cursor."""
        for entry in entries:
            match entry.kind:
                case "exchange.admitted" | "exchange.quarantined":
                    self._taken(tx, entry)
                case "exchange.released":
                    self._released(tx, entry)
                case "exchange.receipt":
                    timekeeping.heard(tx, from_rfc3339(entry.detail["dated"]))
                    recall.receipted(tx, self._context, entry.subject, _nation(entry))
                case "intelligence.stored":
                    if _nation(entry).startswith(PREFIX):
                        retention.record_written(tx, _nation(entry), entry.detail["rows"], entry.lane)
                case "intelligence.withdrawn":
                    recall.start(tx, self._context, entry)
                case "detection.hit.confirmed":
                    self._fed_back(tx, entry, str(entry.detail["sighting"]), feedback_duty)
                case "detection.hit.dismissed":
                    if opinion := entry.detail.get("opinion"):  # only a false positive leads to one
                        self._fed_back(tx, entry, str(opinion), false_positive_duty)
                case _:
                    self._agreement_changed(tx, entry)

    def _taken(self, tx: Transaction, entry: Entry) -> None:
        sender, sequence = _nation(entry), int(entry.detail["sequence"])
        timekeeping.heard(tx, from_rfc3339(entry.detail["dated"]))
        retention.record(tx, self._context, sender, sequence)
        recall.received(tx, self._context, sender, sequence, entry.seq)
        table = exchange.received
        query = select(table).where(table.c.sender == sender, table.c.sequence == sequence)
        row = tx.execute(query).one_or_none()
        if row is None or row.action != "release":
            return
        for agreement_id, version in retention.agreement_of(bytes(row.envelope)):
            agreement = self._context.agreements.find(tx.connection, agreement_id, version)
            if agreement is not None:
                occasion = Occasion(agreement, row.release_id, entry.lane, row.received_at)
                owed = release_duties(occasion, sender, self._context.own)
                owe(tx, [each for each in owed if each.kind == "review"])

    def _released(self, tx: Transaction, entry: Entry) -> None:
        recipient = NationId(entry.detail["recipient"])
        table = exchange.sent
        query = select(table).where(table.c.recipient == recipient, table.c.sequence == entry.detail["sequence"])
        row = tx.execute(query).one_or_none()
        if row is None or row.action != "release":
            return
        agreement = self._context.agreements.find(tx.connection, row.agreement_id, row.agreement_version)
        if agreement is not None:
            occasion = Occasion(agreement, row.release_id, entry.lane, row.sent_at)
            owed = release_duties(occasion, self._context.own, recipient)
            owe(tx, [each for each in owed if each.kind == "retention"])
        inside = exchange.sent_objects
        rows = select(inside.c.object_row).where(
            inside.c.recipient == recipient, inside.c.sequence == row.sequence, inside.c.object_row.is_not(None)
        )
        held = self._context.holdings.rows(tx.connection, list(tx.connection.scalars(rows)))
        tells = [pair for stored in held for pair in _tells_of(stored)]
        tells += [(original_of(tx.connection, each.stix.id, each.lane), None) for each in held if each.made_for]
        fulfil_by_release(tx, recipient, entry.lane, tells)

    def _fed_back(self, tx: Transaction, entry: Entry, subject: str, duty: FeedbackDuty) -> None:
        """What was made of a decided hit is owed to each nation whose word the indicator stands by."""
        versions = self._context.holdings.get(tx.connection, str(entry.detail["indicator"]), entry.lane)
        words = [
            word for stored in versions for word in stored.provenance
            if word.source == "partner" and word.standing == "stands" and word.agreement_id
        ]  # fmt: skip
        for word in words:
            agreement = self._context.agreements.find(tx.connection, word.agreement_id or "", word.agreement_version)
            if agreement is None:
                continue
            occasion = Occasion(agreement, subject, entry.lane, entry.at, entry.subject)
            owed = duty(occasion, self._context.own, word.nation)
            owe(tx, [owed] if owed else [])

    def _agreement_changed(self, tx: Transaction, entry: Entry) -> None:
        agreement = self._context.agreements.find(tx.connection, entry.subject)
        if agreement is None:
            return
        for nation, since in sorted(lapses_on_exit(agreement, self._context.own, tx.at).items()):
            retention.lapse(tx, entry.subject, nation, since)


def _nation(entry: Entry) -> NationId:
    return NationId(entry.actor.removeprefix("nation:"))


def _tells_of(stored: StoredObject) -> Iterator[tuple[str, str | None]]:
    """Yield what a released object settles: itself, and the notice on an incident that its label names."""
    yield stored.stix.id, None
    stages = [label.removeprefix(STAGE_LABEL) for label in stored.stix.labels if label.startswith(STAGE_LABEL)]
    for stage in stages:
        if stage in INCIDENT_STAGES:
            about = [ref for ref in (stored.stix.id, *stored.stix.refs) if ref.startswith("incident--")]
            yield from ((incident, stage) for incident in about)
