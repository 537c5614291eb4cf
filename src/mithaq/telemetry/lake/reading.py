"""Read the events of a sealed segment as they lie there, for what no index knows. Only the hunter imports it."""

from collections.abc import Iterator, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from mithaq.kernel.lane import Lane
from mithaq.telemetry.lake.layout import files_of
from mithaq.telemetry.model import Event

_BATCH_EVENTS: Final = 20_000


def sealed_events(data: Path, stem: str) -> Iterator[Sequence[Event]]:
    """Yield the events of a segment in parts, in order, without what was found in them."""
    events_file, _ = files_of(data, stem)
    for batch in pq.ParquetFile(events_file).iter_batches(_BATCH_EVENTS):
        yield [_event(row) for row in batch.to_pylist()]


def _event(row: dict[str, Any]) -> Event:
    at = row["at"].astimezone(UTC)
    header = row.get("header") or b""
    return Event(row["event_id"], at, row["source"], row["kind"], Lane(row["lane"]), (), row["raw"], header)
