"""What detection does when the journal says that the holdings or the sources have changed."""

from collections.abc import Sequence

from mithaq.detection import store
from mithaq.detection.model import HUNT_ASKED, READER
from mithaq.detection.patterns.state import forget
from mithaq.detection.questions.model import ASKED, SAVED
from mithaq.kernel.database import Transaction
from mithaq.kernel.journal import Entry, Reader
from mithaq.telemetry.service import ERASURE_ASKED, SOURCES_CHANGED

STORED = "intelligence.stored"
WITHDRAWN = "intelligence.withdrawn"
ERASED = "intelligence.erased"

_FOR_THE_LAKE = frozenset({ASKED, SAVED, ERASURE_ASKED})
KINDS = frozenset({STORED, WITHDRAWN, ERASED, HUNT_ASKED, SOURCES_CHANGED, *_FOR_THE_LAKE})


class News:
    """Collect what changed; the effects on this process's memory follow after the commit.

    A crash in between costs nothing: the process that starts next loads everything.
    """

    def __init__(self) -> None:
        self.reader = Reader(READER, KINDS, self._handle)
        self._rows: dict[int, None] = {}
        self._erased = False
        self._sources_changed = False
        self._lake_asked = False

    def take_lake_asked(self) -> bool:
        """Tell whether anybody asked something of the lake since the last call."""
        asked, self._lake_asked = self._lake_asked, False
        return asked

    def take_erased(self) -> bool:
        """Tell whether anything was erased since the last call."""
        erased, self._erased = self._erased, False
        return erased

    def take_rows(self) -> list[int]:
        """Return the objects that changed since the last call, in order."""
        rows, self._rows = list(self._rows), {}
        return rows

    def take_sources_changed(self) -> bool:
        """Tell whether the sources changed since the last call."""
        changed, self._sources_changed = self._sources_changed, False
        return changed

    def _handle(self, tx: Transaction, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.kind in _FOR_THE_LAKE:
                self._lake_asked = True
                continue
            if entry.kind == SOURCES_CHANGED:
                self._sources_changed = True
                continue
            rows = [int(row) for row in entry.detail["rows"]]
            if entry.kind == ERASED:
                store.redact_hits(tx, rows)
                forget(tx, rows)
                store.answer_hunts_for(tx, rows)
                self._erased = True
                self._rows.update(dict.fromkeys(int(row) for row in entry.detail["kept"]))
                continue
            self._rows.update(dict.fromkeys(rows))
            if entry.kind in {STORED, HUNT_ASKED}:
                store.request_hunts(tx, rows)
