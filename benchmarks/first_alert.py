"""From intelligence accepted to the first alert, while a sensor's file grows by a hundred thousand events a second.

A detector runs as a process of its own over a node's database and its real hunter; a file of Zeek and Suricata lines
grows every 10 ms. One by one, indicators are stored; from the instant the transaction is committed, every piece that is
written has one line that shows the value. The time taken is that to the journal's entry of the first hit. What the
detector can read at most is measured first, on a file that is there; where that is less than the rate wanted, the file
grows by four fifths of it, and `events_per_s` says so. `behind_s`: how far the detector was behind at the end.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles

import psutil
from sqlalchemy import func, select

from benchmarks.matcher_data import indicators, write_events
from benchmarks.measure import Result, Size
from mithaq.detection import store
from mithaq.detection.hits.record import HIT
from mithaq.detection.hunts.launch import HunterOrder, hunter_launcher
from mithaq.detection.worker import run
from mithaq.intelligence.model import NewObject, Provenance
from mithaq.intelligence.service import Holdings
from mithaq.kernel.clock import SystemClock, rfc3339
from mithaq.kernel.database import Database, metadata
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.wake import WakeListener
from mithaq.standards.pap import Pap
from mithaq.standards.stix import parse
from mithaq.standards.tlp import Tlp
from mithaq.telemetry import store as telemetry_store
from mithaq.telemetry.model import Format
from mithaq.telemetry.service import Telemetry

_PIECE_S = 0.01
_WANTED_RATE = 100_000
_DEADLINE_S = 60.0
_LINES = 20_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what this benchmark alone takes."""
    parser.add_argument("--rate", type=int, default=_WANTED_RATE, help="events a second (default 100000)")
    parser.add_argument("--detector", metavar="FOLDER", help=argparse.SUPPRESS)


def measure(size: Size, options: argparse.Namespace) -> Result:
    """Measure what the detector holds, then the alerts while that flows."""
    if options.detector:
        _detect(Path(options.detector))
        return Result({}, 1)
    count, burst = size.of(5, 40, 300), size.of(50_000, 500_000, 2_000_000)
    with tempfile.TemporaryDirectory(prefix="mithaq-alert-") as name:
        folder = Path(name)
        lines = _lines(folder, size.seed)
        node = _Node(folder, size.of(1_000, 20_000, 100_000), size.seed)
        with node.detector() as process:
            read_s, read_cpu_s = node.read_at_once(process, lines, burst)
            rate = min(float(options.rate), 0.8 * burst / read_s)
            with _Flow(node.file, lines, rate) as flow:
                before = process.cpu_times()
                taken = [node.first_alert(flow, number) for number in range(count)]
                cpu = _spent(before, process)
                behind = (burst + flow.written - node.read()) / rate
        node.db.close()
    cuts = quantiles(sorted(taken), n=100, method="inclusive")
    figures = {
        "p50_ms": cuts[49],
        "p99_ms": cuts[98],
        "max_ms": max(taken),
        "events_per_s": flow.written / flow.lasted_s,
        "behind_s": behind,
        "detector_cores": cpu / flow.lasted_s,
        "most_events_per_s": burst / read_s,
        "most_events_per_cpu_s": burst / read_cpu_s,
    }
    return Result(figures, count)


class _Node:
    """A database and a data folder, and the questions that the benchmark asks of them."""

    def __init__(self, folder: Path, known: int, seed: int) -> None:
        self.folder, self.file = folder, folder / "sensor.log"
        self.file.touch()
        self.db = Database.open(_url(folder), run_dir=folder / "run")
        metadata.create_all(self.db.engine)
        self._holdings = Holdings(self.db)
        self._chance = random.Random(f"first alert {seed}")
        telemetry = Telemetry(self.db, folder)
        telemetry.add_source("zeek", path=str(self.file), line_format=Format.AUTO, by="benchmark", at=datetime.now(UTC))
        names = [value for kind, value in indicators(4 * known, seed + 9) if kind == "domain"][:known]
        for start in range(0, len(names), 1_000):
            self._store(names[start : start + 1_000])
        self._hits = WakeListener(folder / "run", "benchmark", {HIT})

    @contextmanager
    def detector(self) -> Iterator[psutil.Process]:
        """Run a detector until the end of the context."""
        command = [sys.executable, "-m", "benchmarks", "first_alert", "--detector", str(self.folder)]
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            yield psutil.Process(running.pid)
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(30)

    def read_at_once(self, process: psutil.Process, lines: list[bytes], burst: int) -> tuple[float, float]:
        """Let the detector read what is already there; return the seconds, and those of its processor."""
        with self.file.open("ab") as out:
            out.write(lines[0])
        while not self.read():  # it is there, and has loaded what it looks for
            time.sleep(_PIECE_S)
        text = b"".join(lines)
        before, began = process.cpu_times(), time.perf_counter()
        with self.file.open("ab") as out:
            for start in range(1, burst, len(lines)):
                part = burst - start
                out.write(text if part >= len(lines) else b"".join(lines[:part]))
        while self.read() < burst:
            time.sleep(_PIECE_S)
        return time.perf_counter() - began, _spent(before, process)

    def read(self) -> int:
        """Return how many lines the detector has read."""
        with self.db.read() as connection:
            return sum(status.lines for status in telemetry_store.list_sources(connection))

    def first_alert(self, flow: "_Flow", number: int) -> float:
        """Store an indicator that the flow shows from then on; return the milliseconds to its first hit."""
        value = f"first-{number}-{self._chance.getrandbits(32):08x}.example"
        (stix_id,) = self._store([value])
        began = time.perf_counter()
        flow.shown = _line(value)
        while not self._is_hit(stix_id):
            if time.perf_counter() - began > _DEADLINE_S:
                raise TimeoutError(f"{value} was not detected")
            self._hits.wait(0.25)
        taken = (time.perf_counter() - began) * 1000
        flow.shown = b""
        return taken

    def _is_hit(self, stix_id: str) -> bool:
        with self.db.read() as connection:
            wanted = store.hits.c.indicator_id == stix_id
            return bool(connection.scalar(select(func.count()).select_from(store.hits).where(wanted)))

    def _store(self, names: list[str]) -> list[str]:
        at = datetime.now(UTC)
        new = [_indicator(name, at) for name in names]
        with self.db.write(at) as tx:
            self._holdings.store(tx, new)
        return [json.loads(each.body)["id"] for each in new]


class _Flow:
    """A sensor: a file grows steadily, and shows a line in every piece while it is told to."""

    def __init__(self, file: Path, lines: list[bytes], rate: float) -> None:
        self.shown = b""
        self.written = 0
        self.lasted_s = 0.0
        self._file, self._rate = file, rate
        self._lines = lines
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "_Flow":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        each = max(1, int(self._rate * _PIECE_S))
        pieces = [b"".join(self._lines[at : at + each]) for at in range(0, len(self._lines) - each + 1, each)]
        began, number = time.perf_counter(), 0
        with self._file.open("ab", buffering=0) as out:
            while not self._over.is_set():
                shown = self.shown
                out.write(pieces[number % len(pieces)] + shown)
                number += 1
                self.written += each + bool(shown)
                self.lasted_s = time.perf_counter() - began
                self._over.wait(max(0.0, number * each / self._rate - self.lasted_s))


def _detect(folder: Path) -> None:
    """Be the detector's process."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    db = Database.open(_url(folder), run_dir=folder / "run")
    order = HunterOrder(_url(folder), str(folder), str(folder / "run"), str(folder / "cache"))
    run(
        db,
        Holdings(db),
        folder,
        folder / "run",
        launch_hunter=hunter_launcher(order),
        clock=SystemClock(),
        stop=stop,
    )
    db.close()


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / 'mithaq.db'}"


def _lines(folder: Path, seed: int) -> list[bytes]:
    file = folder / "events.ndjson"
    write_events(file, _LINES, list(indicators(1_000, seed)), seed)
    return file.read_bytes().splitlines(keepends=True)


def _line(value: str) -> bytes:
    event = {"ts": time.time(), "uid": f"C{os.urandom(8).hex()}", "id.orig_h": "10.0.0.7", "query": value}
    return json.dumps(event).encode() + b"\n"


def _indicator(value: str, at: datetime) -> NewObject:
    body = json.dumps(
        {
            "type": "indicator",
            "spec_version": "2.1",
            "id": f"indicator--{uuid.uuid4()}",
            "created": rfc3339(at),
            "modified": rfc3339(at),
            "pattern": f"[domain-name:value = '{value}']",
            "pattern_type": "stix",
            "valid_from": rfc3339(at),
            "object_marking_refs": [Tlp.GREEN.marking_id],
        }
    ).encode()
    return NewObject(body, parse(body), ACTUAL, _provenance(at))


def _provenance(at: datetime) -> Provenance:
    return Provenance(
        source="own",
        nation=NationId("XA"),
        agreement_id=None,
        agreement_version=None,
        release_id=None,
        purpose="defence",
        tlp=Tlp.GREEN,
        pap=Pap.GREEN,
        carried={},
        received_at=at,
    )


def _spent(before: "psutil._pslinux.pcputimes", process: psutil.Process) -> float:
    now = process.cpu_times()
    return float(now.user + now.system - before.user - before.system)
