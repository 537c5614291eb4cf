"""Store what an import reads, chunk by chunk, and count what it came to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from mithaq.intelligence.imports.said import Said
from mithaq.intelligence.model import ImportReport, ImportTerms, Indexed, NewObject, StoreReport, Warned
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import CHUNK_OBJECTS
from mithaq.intelligence.warninglists import WarningLists
from mithaq.intelligence.watching import looked_at
from mithaq.kernel.errors import Error
from mithaq.kernel.reason import Reason
from mithaq.standards import stix
from mithaq.standards.tlp import Tlp

MAX_LISTED: Final = 1000
"""Refusals and warnings told one by one; beyond that they are only counted."""


class Tally:
    """Collect the objects of one import; each full chunk is one transaction."""

    def __init__(
        self, holdings: Holdings, terms: ImportTerms, warning_lists: WarningLists | None, at: datetime
    ) -> None:
        self._holdings = holdings
        self._terms = terms
        self._warning_lists = warning_lists
        self._at = at
        self._chunk: list[NewObject] = []
        self._stored = self._duplicates = self._refused_count = self._warned_count = 0
        self._refused: list[tuple[str, Reason]] = []
        self._warned: list[Warned] = []
        self._unmatchable: list[tuple[str, Reason]] = []
        self._unmatchable_count = self._without_pap = 0
        self._said = Said(terms, at)
        self._beside: Executor | None = None
        self._storing: Future[StoreReport] | None = None

    def add(self, body: bytes, index: int) -> None:
        """Take one object's bytes; an object that cannot be read is refused by its id or place."""
        try:
            parsed = stix.parse(body)
        except stix.BadObject as error:
            self.refuse(error.subject or f"#{index}", reason_of(error))
            return
        self.take(body, parsed)

    def take(self, body: bytes, parsed: stix.StixObject, indexed: Indexed | None = None) -> None:
        """Take one object that was read already; `indexed` where that is worked out too."""
        self._look_at(parsed)
        lane = self._terms.lane
        found_by, said = indexed or Indexed.of(parsed, lane), self._said.of(parsed)
        self._without_pap += said.pap is None and said.tlp is not Tlp.RED
        self._chunk.append(NewObject(body, parsed, lane, said, self._terms.instruction, found_by))
        if len(self._chunk) >= CHUNK_OBJECTS:
            self.flush()

    def refuse(self, name: str, reason: Reason) -> None:
        """Count a refusal, after those of the chunk before it."""
        self._wait()
        self._refused_count += 1
        if len(self._refused) < MAX_LISTED:
            self._refused.append((name, reason))

    def repeat(self) -> None:
        """Count one that is known already and says nothing new."""
        self._duplicates += 1

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Inside, let each chunk be stored while the next is read, where the database is a process of its own.

        The chunks are stored one after another. What is wrong with one is raised before the next is begun.
        """
        if self._holdings.db.dialect != "postgresql":
            yield
            return
        with ThreadPoolExecutor(1, "storing") as self._beside:
            yield

    def flush(self) -> None:
        """Store what has been collected, in one transaction."""
        if not self._chunk:
            return
        chunk, self._chunk = self._chunk, []
        if self._beside is None:
            self._count(self._store(chunk))
        else:
            self._wait()
            self._storing = self._beside.submit(self._store, chunk)

    def _store(self, chunk: Sequence[NewObject]) -> StoreReport:
        with self._holdings.db.write(self._at) as tx:
            return self._holdings.store(tx, chunk)

    def _wait(self) -> None:
        """Wait for the chunk that is being stored."""
        storing, self._storing = self._storing, None
        if storing is not None:
            self._count(storing.result())

    def _count(self, report: StoreReport) -> None:
        self._stored += report.stored
        self._duplicates += report.duplicates
        for name, reason in report.refused:
            self.refuse(name, reason)

    def report(self, broken: Reason | None = None, notes: tuple[str, ...] = ()) -> ImportReport:
        """Store the rest and return what the import came to."""
        self.flush()
        self._wait()
        return ImportReport(
            stored=self._stored,
            duplicates=self._duplicates,
            refused=tuple(self._refused),
            refused_count=self._refused_count,
            warned=tuple(self._warned),
            warned_count=self._warned_count,
            unmatchable=tuple(self._unmatchable),
            unmatchable_count=self._unmatchable_count,
            without_pap=self._without_pap,
            broken=broken,
            notes=notes,
        )

    def _look_at(self, parsed: stix.StixObject) -> None:
        """Warn of indicators that would fire on benign values, or cannot fire at all."""
        if parsed.type != "indicator":
            return
        looked = looked_at(parsed)
        if looked is not None and looked.how == "not":
            self._unmatchable_count += 1
            if len(self._unmatchable) < MAX_LISTED:
                self._unmatchable += [(parsed.id, reason) for reason in looked.left_out[:1]]
        for observable in parsed.observables if self._warning_lists else ():
            lists = self._warning_lists.warned(observable) if self._warning_lists else ()
            if lists:
                self._warned_count += 1
                if len(self._warned) < MAX_LISTED:
                    self._warned.append(Warned(parsed.id, observable.value, lists))


def reason_of(error: Error) -> Reason:
    """Return an error as the reason why one object was refused."""
    return Reason(error.code, error.message, dict(error.params))
