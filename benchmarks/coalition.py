"""Real nodes for a benchmark: the demonstration's coalition, each node its own processes on loopback."""

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil

from mithaq.cli.demo import nodes
from mithaq.cli.demo.nodes import SENSOR, DemoNode


@dataclass
class Station:
    """One nation's node as its programs speak with it."""

    demo: DemoNode
    http: httpx.Client = field(init=False)
    sensor: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        headers = {"authorization": f"Bearer {self.demo.token}"}
        self.http = httpx.Client(base_url=self.demo.url, headers=headers, trust_env=False, timeout=60)
        self.sensor = httpx.Client(base_url=self.demo.url, headers=headers, trust_env=False, timeout=60)

    def add_indicator(self, value: str, tlp: str = "TLP:GREEN") -> str:
        """Add an indicator and return its id; it is durable when this returns."""
        answer = self.http.post("/api/v1/indicators", json={"values": [value], "tlp": tlp, "pap": "PAP:GREEN"})
        answer.raise_for_status()
        (created,) = answer.json()["created"]
        indicator_id: str = created["id"]
        return indicator_id

    def push(self, lines: bytes) -> None:
        """Send events to the sensor's source."""
        self.sensor.post(f"/api/v1/telemetry/{SENSOR}", content=lines).raise_for_status()

    def hits(self, after: int, wait_s: float) -> tuple[list[dict[str, object]], int]:
        """Return hits after a sequence number, waiting for them."""
        answer = self.http.get("/api/v1/hits", params={"after": after, "wait": wait_s})
        answer.raise_for_status()
        told = answer.json()
        return told["hits"], told["next"]

    def close(self) -> None:
        """Close the connections."""
        self.http.close()
        self.sensor.close()


@contextmanager
def running_coalition(*, witnesses: int = 1) -> Iterator[tuple[Sequence[Station], float]]:
    """Found and run three nodes; yield them with the seconds from the start to the first page of each."""
    root = Path(tempfile.mkdtemp(prefix="mithaq-bench-"))
    began = time.perf_counter()
    coalition = nodes.found_coalition(root, datetime.now(UTC), witnesses=witnesses)
    stations: list[Station] = []
    try:
        nodes.start(coalition)
        nodes.wait_until_serving(coalition)
        first_page_s = time.perf_counter() - began
        nodes.share_warning_lists(coalition)
        stations = [Station(node) for node in coalition]
        yield stations, first_page_s
    finally:
        for station in stations:
            station.close()
        nodes.stop(coalition)
        shutil.rmtree(root, ignore_errors=True)


def memory_mb(stations: Sequence[Station]) -> float:
    """Return the proportional set size of all processes of all nodes together."""
    total = 0
    for station in stations:
        supervisor = psutil.Process(station.demo.pid)
        for process in (supervisor, *supervisor.children(recursive=True)):
            try:
                total += process.memory_full_info().pss
            except psutil.NoSuchProcess:
                continue
    return total / 1e6


class HitWatch(threading.Thread):
    """Follow one node's hits and note when each value was first hit."""

    def __init__(self, station: Station) -> None:
        super().__init__(daemon=True)
        self._station = Station(station.demo)
        self._over = threading.Event()
        self._changed = threading.Condition()
        self.first_hit: dict[str, float] = {}

    def run(self) -> None:
        """Long-poll until ended."""
        after = 0
        while not self._over.is_set():
            hits, after = self._station.hits(after, 2)
            now = time.perf_counter()
            with self._changed:
                for hit in hits:
                    self.first_hit.setdefault(str(hit["value"]), now)
                self._changed.notify_all()

    def wait_for(self, value: str, timeout_s: float) -> float | None:
        """Return when a value was first hit, waiting at most `timeout_s`."""
        with self._changed:
            self._changed.wait_for(lambda: value in self.first_hit, timeout_s)
            return self.first_hit.get(value)

    def end(self) -> None:
        """Stop following."""
        self._over.set()
        self.join(5)
        self._station.close()
