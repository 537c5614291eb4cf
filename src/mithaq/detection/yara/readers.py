"""What scanning does when the journal says that the holdings or the sources have changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mithaq.detection.readers import ERASED, STORED, WITHDRAWN
from mithaq.detection.yara import store
from mithaq.kernel.database import Transaction
from mithaq.kernel.journal import Entry, Reader
from mithaq.telemetry import store as telemetry_store
from mithaq.telemetry.service import SOURCES_CHANGED

READER: Final = "detection.files"
KINDS: Final = frozenset({STORED, WITHDRAWN, ERASED, SOURCES_CHANGED})


class News:
    """Collect what changed; the effects on this process's memory follow after the commit.

    A crash in between costs nothing: the process that starts next loads everything.
    """

    def __init__(self) -> None:
        self.reader = Reader(READER, KINDS, self._handle)
        self.loaded_seq = 0
        """What the journal says of the holdings up to here is known already."""

        self._rows: dict[int, None] = {}
        self._sources_changed = False

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
            if entry.kind == SOURCES_CHANGED:
                self._sources_changed = True
                if telemetry_store.get_source(tx.connection, entry.subject) is None:
                    store.forget(tx, entry.subject)
            elif entry.seq > self.loaded_seq:
                rows = [*entry.detail["rows"], *entry.detail.get("kept", ())]
                self._rows.update(dict.fromkeys(int(row) for row in rows))
