"""Compare what one nation's log says it sent with what another's says it got; name every difference."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mithaq.exchange.audit.folder import AuditFolder, ErasedLine
from mithaq.exchange.log.record import Record, read_record
from mithaq.nations.names import LogName


@dataclass(frozen=True, slots=True)
class Difference:
    """One number from a sender to a recipient on which the two logs do not agree.

    `kind` is `not-acknowledged` (sent, and the recipient's log has no receipt), `not-sent` (acknowledged, and the
    sender's log has no such release), `other-content` (both name the number, with other bytes), `receipt-not-held`
    (the recipient gave a receipt that the sender's log does not have) or `receipt-not-given` (the reverse).
    """

    kind: str
    sender: str
    recipient: str
    sequence: int
    release_id: str


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How many numbers were compared, and what does not agree.

    `erased`: for so many the sender has erased its record, so that its digest is its mere word.
    """

    first: str
    second: str
    compared: int
    differences: tuple[Difference, ...]
    erased: int = 0


def reconcile(first: Path, second: Path) -> Reconciled:
    """Compare two audit folders in both directions; verify each of them before.

    Raises:
        BadAudit, BadNote, BadJson, BadRecord: a file is missing or malformed.
    """
    one, other = _Book.of(first), _Book.of(second)
    compared = erased = 0
    differences: list[Difference] = []
    for sender, recipient in ((one, other), (other, one)):
        said = _Said(
            sender.sent_to(recipient.nation), recipient.given_to(sender.nation), sender.taken_from(recipient.nation)
        )
        for number in said.numbers:
            compared += 1
            erased += any(isinstance(each, ErasedLine) for each in said.sent.get(number, ()))
            differences += _compare(sender.nation, recipient.nation, number, said)
    return Reconciled(one.nation, other.nation, compared, tuple(differences), erased)


@dataclass(frozen=True, slots=True)
class _Said:
    """What both logs say of one direction, by number: sent, receipts given for it, receipts taken for it."""

    sent: dict[int, list[Record | ErasedLine]]
    given: dict[int, Record]
    taken: dict[int, Record]

    @property
    def numbers(self) -> list[int]:
        return sorted(self.sent.keys() | self.given.keys() | self.taken.keys())


@dataclass(frozen=True, slots=True)
class _Book:
    """The records of one nation's log, and its word for those that were erased."""

    nation: str
    records: tuple[Record, ...]
    erased: tuple[ErasedLine, ...]

    @staticmethod
    def of(folder: Path) -> "_Book":
        audit = AuditFolder(folder)
        nation = LogName.parse(audit.checkpoint()[0].origin).nation
        records = tuple(read_record(line.record.encode()) for line in audit.records())
        return _Book(nation, records, tuple(audit.erased()))

    def sent_to(self, other: str) -> dict[int, list[Record | ErasedLine]]:
        """Return all that was said under each number: a void one takes the place of a release that was on its way."""
        said: dict[int, list[Record | ErasedLine]] = {}
        known: tuple[Record | ErasedLine, ...] = (*self.erased, *self._of("release", "withdraw", "void"))
        for each in known:
            if each.recipient == other:
                said.setdefault(each.sequence, []).append(each)
        return said

    def given_to(self, other: str) -> dict[int, Record]:
        return _by_number(each for each in self._of("receipt-given") if each.sender == other)

    def taken_from(self, other: str) -> dict[int, Record]:
        return _by_number(each for each in self._of("receipt-taken") if each.recipient == other)

    def _of(self, *actions: str) -> Iterator[Record]:
        return (each for each in self.records if each.action in actions)


def _by_number(records: Iterable[Record]) -> dict[int, Record]:
    return {each.sequence: each for each in records}


def _compare(sender: str, recipient: str, number: int, said: _Said) -> Iterator[Difference]:
    sent, given, taken = said.sent.get(number, []), said.given.get(number), said.taken.get(number)

    def difference(kind: str) -> Difference:
        known = sent[-1] if sent else given or taken
        return Difference(kind, sender, recipient, number, known.release_id if known else "")

    if not sent:
        yield difference("not-sent")
    elif given is None:
        yield difference("not-acknowledged")
    elif (given.release_id, given.decisions) not in [(each.release_id, each.digest) for each in sent]:
        yield difference("other-content")
    if given is not None and (taken is None or taken.digest != given.digest):
        yield difference("receipt-not-held")
    if taken is not None and given is None:
        yield difference("receipt-not-given")
