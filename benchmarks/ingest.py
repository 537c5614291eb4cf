"""What it costs to take objects in: read, validated, stored, indexed for search, told in the journal.

Two files go through the real import on SQLite and on PostgreSQL, each run into an empty database: ATT&CK Enterprise
where the real data is (`MITHAQ_DATA`), else as many generated objects; and a large generated bundle, which a process of
its own imports on SQLite, so that its peak of memory is that of an import and of nothing else (beside it, the peak of
the process that reads). The peer is
python-stix2: `stix2.parse` of each object of the same file, which validates and keeps nothing; types it does not know
it lets pass unread.
"""

import argparse
import gzip
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from statistics import median

import psutil

from benchmarks.holdings import AT, DATABASES, Maker, opened
from benchmarks.measure import Result, Size
from mithaq.intelligence.imports.bundle import import_bundle
from mithaq.intelligence.model import ImportTerms
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import CLI_FILE
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.stix import Piece, Readable, split_bundle
from mithaq.standards.tlp import Tlp

MIB = 1024 * 1024
OBJECTS = 24_771
"""Objects of ATT&CK Enterprise 18.1."""

_PEER_OBJECTS = 3_000


def measure(size: Size, options: argparse.Namespace) -> Result:
    """Import the same file into each database in turn, then the large one in a process of its own."""
    del options
    runs = size.of(3, 3, 5)
    data = _file(size)
    taken: dict[str, list[tuple[float, float]]] = {kind: [] for kind in DATABASES}
    theirs: list[float] = []
    count = 0
    for _ in range(runs):
        for kind in DATABASES:
            with opened(kind) as db:
                began, began_cpu = time.perf_counter(), time.process_time()
                count = _imported(db, io.BytesIO(data))
                taken[kind].append((time.perf_counter() - began, time.process_time() - began_cpu))
        theirs.append(_parsed_by_stix2(data))
    figures: dict[str, float] = {"objects": count}
    for kind, times in taken.items():
        figures[f"{kind}_s"] = median(wall for wall, _ in times)
        figures[f"{kind}_objects_per_s"] = count / median(wall for wall, _ in times)
        figures[f"{kind}_per_cpu_s"] = count / median(cpu for _, cpu in times)
    figures |= _large(size)
    return Result(figures, runs, {"stix2.parse": {"objects_per_cpu_s": 1 / median(theirs)}})


def _file(size: Size) -> bytes:
    """Return ATT&CK Enterprise as it is published, or a generated bundle of as many objects."""
    real = Path(os.environ.get("MITHAQ_DATA", "")) / "attack" / "enterprise21.json.gz"
    if real.is_file() and size.name != "quick":
        return gzip.decompress(real.read_bytes())
    maker = Maker(size.seed)
    bodies = [maker.body(number) for number in range(size.of(2_000, OBJECTS, OBJECTS))]
    return b'{"type":"bundle","objects":[' + b",".join(bodies) + b"]}"


def _imported(db: Database, source: Readable) -> int:
    terms = ImportTerms(NationId("XA"), ACTUAL, Tlp.GREEN)
    report = import_bundle(Holdings(db), source, door=CLI_FILE, terms=terms, warning_lists=None, at=AT)
    if report.refused_count or report.broken:
        raise RuntimeError(f"{report.refused_count} objects were refused, {report.broken}")
    return report.stored


def _parsed_by_stix2(data: bytes) -> float:
    """Return the processor seconds that python-stix2 takes for one object, from the first few thousand."""
    import stix2  # type: ignore[import-untyped]

    pieces = [piece.body.decode() for piece in split_bundle(data) if isinstance(piece, Piece)]
    pieces = pieces[:: max(1, len(pieces) // _PEER_OBJECTS)]
    began = time.process_time()
    for text in pieces:
        stix2.parse(text, allow_custom=True)
    return (time.process_time() - began) / len(pieces)


def _large(size: Size) -> dict[str, float]:
    """Return the figures of a process that imports a large file."""
    with tempfile.TemporaryDirectory(prefix="mithaq-bench-") as folder:
        path = Path(folder) / "large.json"
        _write_large(path, size)
        command = [sys.executable, "-m", "benchmarks.ingest", str(path)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        told: dict[str, float] = json.loads(done.stdout)
        return {"large_mb": path.stat().st_size / 1e6, **told}


def _write_large(path: Path, size: Size) -> None:
    wanted = size.of(4, 64, 1000) * 1_000_000
    maker = Maker(size.seed)
    with path.open("wb") as file:
        written = file.write(b'{"type":"bundle","objects":[')
        number = 0
        while written < wanted:
            written += file.write((b"," if number else b"") + maker.body(number))
            number += 1
        file.write(b"]}")


def _import_alone(path: Path) -> None:
    """Import one file and print what it took: run as a process of its own."""
    with opened("sqlite") as db, path.open("rb") as source, _Watched() as reader:
        before = _peak_mb("self")
        began = time.perf_counter()
        count = _imported(db, source)
        taken = time.perf_counter() - began
    told = {
        "large_objects": count,
        "large_objects_per_s": count / taken,
        "large_peak_mb": _peak_mb("self"),
        "large_peak_before_mb": before,
        "large_reader_peak_mb": reader.peak_mb,
    }
    print(json.dumps(told))


class _Watched:
    """Look at the memory of the process that reads, from time to time until the block ends."""

    def __init__(self) -> None:
        self.peak_mb = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "_Watched":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        this = psutil.Process()
        while not self._ended.wait(0.1):
            for child in this.children():
                with suppress(OSError, StopIteration):
                    self.peak_mb = max(self.peak_mb, _peak_mb(str(child.pid)))


def _peak_mb(process: str) -> float:
    """Return the most memory a process ever held; what `getrusage` says begins with its parent's."""
    lines = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6


if __name__ == "__main__":
    _import_alone(Path(sys.argv[1]))
