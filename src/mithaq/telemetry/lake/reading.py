"""Read sealed segments: whether they are whole, which time they span, and what of them answers a question."""

import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import duckdb
import ibis
import pyarrow.parquet as pq

from mithaq.telemetry.errors import LakeBroken
from mithaq.telemetry.lake.asking import answer
from mithaq.telemetry.lake.damage import told_of
from mithaq.telemetry.lake.files import files_of
from mithaq.telemetry.lake.layout import EVENTS, VALUES
from mithaq.telemetry.lake.question import Question

_BATCH: Final = 20_000
_EVER: Final = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
_FIRST_FORM: Final = ("segment", "row", "event_id", "at", "source", "kind", "lane", "raw")


class AnswerLimit(Exception):
    """An answer needs more time or memory than it may have; the argument says which."""


@dataclass(frozen=True, slots=True)
class Span:
    """The times of the oldest and the newest event of a segment; None where it has none."""

    oldest: datetime | None
    newest: datetime | None

    def touches(self, since: datetime | None, until: datetime | None) -> bool:
        """Tell whether an event of the segment may lie in a time range, whose end is excluded."""
        if self.oldest is None or self.newest is None:
            return False
        return (since is None or self.newest >= since) and (until is None or self.oldest < until)


def span(data: Path, stem: str) -> Span:
    """Return the times that a segment spans, from the end of its file.

    Raises:
        LakeBroken: the file is cut, not there, or no Parquet.
    """
    with told_of(stem), pq.ParquetFile(files_of(data, stem)[0]) as file:
        place = file.schema_arrow.get_field_index("at")
        groups = [file.metadata.row_group(number).column(place) for number in range(file.metadata.num_row_groups)]
        found = [each.statistics for each in groups if each.statistics is not None and each.statistics.has_min_max]
        if len(found) < len(groups):
            return Span(_EVER[0], _EVER[1])  # pragma: no cover - every writer of this program keeps them
        return Span(min((each.min for each in found), default=None), max((each.max for each in found), default=None))


def check(data: Path, stem: str) -> None:
    """Read a segment from its first byte to its last.

    Raises:
        LakeBroken: something of it cannot be read, or is not what it should be.
    """
    for path, schema in zip(files_of(data, stem), (EVENTS, VALUES), strict=True):
        with told_of(stem), pq.ParquetFile(path, page_checksum_verification=True) as file:
            there = set(file.schema_arrow.names)
            if not (set(_FIRST_FORM) if schema is EVENTS else set(schema.names)) <= there:
                raise LakeBroken("the segment has not the columns that it should have", subject=stem)
            rows = sum(batch.num_rows for batch in file.iter_batches(_BATCH))
            if rows != file.metadata.num_rows:
                raise LakeBroken("the segment has fewer events than it says", subject=stem)


def lines(data: Path, stem: str) -> Iterator[tuple[datetime, str, bytes]]:
    """Yield time, kind and original line of every event of a segment, in order.

    Raises:
        LakeBroken: the segment is damaged.
    """
    with told_of(stem), pq.ParquetFile(files_of(data, stem)[0]) as file:
        for batch in file.iter_batches(_BATCH, columns=["at", "kind", "raw"]):
            columns = batch.to_pydict()
            yield from zip(columns["at"], columns["kind"], columns["raw"], strict=True)


def rows_for(
    data: Path,
    question: Question,
    stems: Sequence[str],
    *,
    asked_at: datetime,
    limit: int,
    seconds: float,
    memory_bytes: int,
) -> list[dict[str, Any]]:
    """Return the newest events of these segments that a question seeks, in at most so much time and memory.

    Raises:
        AnswerLimit: it took longer, or needed more memory.
        LakeBroken: a segment cannot be read; `check` says which.
    """
    files = [files_of(data, stem) for stem in stems]
    connection = ibis.duckdb.connect(threads=1, memory_limit=f"{memory_bytes >> 20}MB", temp_directory="")
    watch = threading.Timer(max(0.01, seconds), connection.con.interrupt)
    watch.daemon = True
    watch.start()
    try:
        with warnings.catch_warnings():  # Ibis 12 asks DuckDB 2 for Arrow tables by their older name
            warnings.simplefilter("ignore", DeprecationWarning)
            events = connection.read_parquet([str(events_file) for events_file, _ in files])
            values = connection.read_parquet([str(file) for _, file in files]) if question.values else None
            found = answer(events, values, question, asked_at=asked_at, limit=limit)
            return list(found.to_pyarrow().to_pylist())
    except duckdb.InterruptException as error:
        raise AnswerLimit("seconds") from error
    except duckdb.OutOfMemoryException as error:
        raise AnswerLimit("memory") from error
    except duckdb.Error as error:
        raise LakeBroken("a segment cannot be read", private=str(error)[:500]) from error
    finally:
        watch.cancel()
        connection.disconnect()
