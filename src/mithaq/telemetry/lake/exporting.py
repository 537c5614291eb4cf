"""Everything that is kept of one source, as it came."""

from collections.abc import Iterator
from pathlib import Path

from mithaq.kernel.database import Database
from mithaq.telemetry.errors import UnknownSource
from mithaq.telemetry.lake import keeping
from mithaq.telemetry.lake.open_segment import read_segment, segment_path
from mithaq.telemetry.lake.reading import lines
from mithaq.telemetry.store import SEALED


def original_lines(db: Database, data: Path, source: str) -> Iterator[bytes]:
    """Yield every line that is kept of a source, segment after segment.

    Header lines of a log stand only in what is not sealed; broken lines as well.

    Raises:
        UnknownSource: nothing is kept of one of that name.
        LakeBroken: a segment cannot be read.
    """
    with db.read() as connection:
        found = keeping.of_source(connection, source)
    if not found:
        raise UnknownSource("nothing is kept of a source of that name", subject=source[:80])
    for segment in found:
        if segment.state == SEALED:
            yield from (raw for _, _, raw in lines(data, segment.path))
            continue
        for block in read_segment(segment_path(data, segment.segment), segment.bytes):
            yield from (line for line in block.text.split(b"\n") if line.strip())
