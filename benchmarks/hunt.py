"""How fast the past is searched: a thousand new indicators over stored events, from the hunts asked to the hits kept.

The lake's own sealing writes the segments, a node's own hunter answers the hunts: what is looked for is read from the
holdings, indexes rule segments out or name the rows, these are read, and hits are written to the database. `absent`:
none of the thousand was ever seen. `present`: all were, each in one to four events; the run fails unless exactly these
become hits. The peer, in the same run, is DuckDB over Parquet with a column for each kind of value, which finds equal
values alone, no names below a name and nothing inside networks. `start_s` is what the hunter's process takes to begin.

`sealed_per_cpu_s` is what sealing takes from raw Zeek and Suricata lines to a segment with its values and its index,
in events a second of processor time; the floor is DuckDB that reads the same lines as JSON and writes them as Parquet,
without times, forms, values or an index, and without the lines.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import delete, select

from benchmarks.holdings import AT, opened
from benchmarks.hunt_data import SOURCE, Past, wanted
from benchmarks.matcher_data import indicators, write_events
from benchmarks.measure import Result, Size, in_turns
from mithaq.detection import store
from mithaq.detection.hunts.hunter import Hunter
from mithaq.detection.readers import News
from mithaq.detection.settings import DetectionLimits
from mithaq.intelligence.imports.bundle import import_bundle
from mithaq.intelligence.model import ImportTerms
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import CLI_FILE
from mithaq.kernel import canonical, journal
from mithaq.kernel.clock import FixedClock
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.observable import Observable
from mithaq.standards.tlp import Tlp
from mithaq.telemetry import store as telemetry_store
from mithaq.telemetry.blocks import Block, Parsed
from mithaq.telemetry.lake import sealing
from mithaq.telemetry.lake.files import files_of
from mithaq.telemetry.lake.layout import sealed_stem
from mithaq.telemetry.model import Format, Source, event_id
from mithaq.telemetry.store import SEALED, Segment

_WANTED = 1_000
_BLOCK_BYTES = 2 << 20
_COLUMNS = ("event_id", "src", "dst", "name", "other", "url")
_PATHS = {
    "ipv4": "ipv4-addr:value",
    "ipv6": "ipv6-addr:value",
    "domain": "domain-name:value",
    "url": "url:value",
    "email": "email-addr:value",
    "md5": "file:hashes.MD5",
    "sha1": "file:hashes.'SHA-1'",
    "sha256": "file:hashes.'SHA-256'",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what this benchmark alone takes."""
    parser.add_argument("--events", type=int, help="how many are stored (default: by size)")


def measure(size: Size, options: argparse.Namespace) -> Result:
    """Seal the past, then hunt for what is not there and for what is, beside the plain scan."""
    events = options.events or size.of(30_000, 1_000_000, 30_000_000)
    segment_events = min(500_000, max(10_000, events // 10))
    absent, present = wanted(_WANTED, size.seed + 1), wanted(_WANTED, size.seed + 2)
    past = Past(events, present, size.seed)
    runs = 3
    with tempfile.TemporaryDirectory(prefix="mithaq-hunt-") as name, opened("sqlite") as db:
        data = Path(name)
        began = time.perf_counter()
        segments = _sealed(data, past, events, segment_events)
        sealed_s = time.perf_counter() - began
        with db.write(AT) as tx:
            for segment in segments:
                telemetry_store.save_segment(tx, segment)
        rows = {label: _stored(db, each) for label, each in (("absent", absent), ("present", present))}
        hunter = Hunter(db, Holdings(db), data, DetectionLimits())
        taken: dict[str, list[tuple[float, float]]] = {"absent": [], "present": [], "scan": []}
        for _ in range(runs):
            for label in ("absent", "present"):
                taken[label].append(_hunted(db, hunter, rows[label], past.truth() if label == "present" else set()))
            taken["scan"].append(_timed(lambda: _scanned(data, present)))
    figures: dict[str, float] = {"events": events, "segments": len(segments), "hits": len(past.truth())}
    for label in ("absent", "present"):
        figures[f"{label}_s"] = median(wall for wall, _ in taken[label])
        figures[f"{label}_cpu_s"] = median(cpu for _, cpu in taken[label])
    scan = {"s": median(wall for wall, _ in taken["scan"]), "cpu_s": median(cpu for _, cpu in taken["scan"])}
    figures |= {
        "present_times_scan": scan["s"] / figures["present_s"],
        "absent_times_scan": scan["s"] / figures["absent_s"],
        "start_s": median(_started() for _ in range(runs)),
        "sealed_events_per_s": events / sealed_s,
    }
    floor = _seal_figures(size, figures)
    return Result(figures, runs, {"duckdb scan": scan, "duckdb json to parquet": {"per_cpu_s": floor}})


def _seal_figures(size: Size, figures: dict[str, float]) -> float:
    """Seal real lines beside the floor; add the figures, and return the floor's events a second of processor time."""
    count = size.of(5_000, 100_000, 200_000)
    with tempfile.TemporaryDirectory(prefix="mithaq-seal-") as name:
        folder = Path(name)
        write_events(folder / "lines.json", count, list(indicators(1_000, size.seed)), size.seed)
        blocks = list(_blocks((folder / "lines.json").read_bytes()))
        stem = sealed_stem(SOURCE, 1, AT)
        contenders = {
            "ours": lambda: sealing.seal(folder, stem, 1, (block.parsed() for block in blocks)),
            "floor": lambda: _copied(folder),
        }
        taken = in_turns(contenders, size.of(1, 3, 3))
    figures["sealed_per_cpu_s"] = count / taken["ours"]
    figures["sealed_times_floor"] = taken["floor"] / taken["ours"]
    return count / taken["floor"]


def _blocks(text: bytes) -> Iterator[Block]:
    """Cut a file as it is read when it is far behind."""
    source, start = Source(SOURCE, "", Format.AUTO, ACTUAL), 0
    while start < len(text):
        end = text.find(b"\n", min(len(text) - 1, start + _BLOCK_BYTES)) + 1 or len(text)
        yield Block(source, "", b"", 1, start, start, AT, text[start:end], checked=False)
        start = end


def _copied(folder: Path) -> None:
    connection = duckdb.connect()
    connection.execute("SET threads=1; SET enable_progress_bar=false")
    lines = f"read_json_auto('{folder}/lines.json', format='newline_delimited', union_by_name=true, sample_size=-1)"
    connection.execute(f"COPY (FROM {lines}) TO '{folder}/floor.parquet' (FORMAT parquet, COMPRESSION zstd)")
    connection.close()


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    began, began_cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - began_cpu


def _hunted(db: Database, hunter: Hunter, rows: list[int], truth: set[tuple[str, str]]) -> tuple[float, float]:
    """Return the seconds from hunts that were asked to hits that are kept, and of the processor."""
    with db.write(AT) as tx:
        tx.execute(delete(store.hits))
        store.request_hunts(tx, rows)
    taken = _timed(lambda: hunter.run(FixedClock(AT)))
    with db.read() as connection:
        hits = connection.execute(select(store.hits.c.event_id, store.hits.c.matched_value)).all()
    found = {(row[0], row[1]) for row in hits}
    if found != truth or len(hits) != len(truth):
        raise RuntimeError(f"{len(truth - found)} missing, {len(found - truth)} extra of {len(truth)}")
    return taken


def _sealed(data: Path, past: Past, events: int, segment_events: int) -> list[Segment]:
    """Seal everything, on two processors."""
    _INHERITED[data] = past
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        parts = [
            pool.submit(_seal_one, data, number, first, min(segment_events, events - first))
            for number, first in enumerate(range(0, events, segment_events), 1)
        ]
        return [part.result() for part in parts]


_INHERITED: dict[Path, Past] = {}
"""What forked processes share with this one."""


def _seal_one(data: Path, number: int, first: int, count: int) -> Segment:
    closed_at = AT + timedelta(hours=number)
    stem = sealed_stem(SOURCE, number, closed_at)
    with pq.ParquetWriter(data / f"{number}.typed.parquet", _TYPED, compression="zstd") as peer:
        sealing.seal(data, stem, number, _also_typed(_INHERITED[data].part(first, count), peer))
    size = files_of(data, stem)[0].stat().st_size
    return Segment(number, SEALED, SOURCE, size, count, closed_at, closed_at, stem)


_TYPED = pa.schema([(name, pa.string()) for name in _COLUMNS])


def _also_typed(parts: Iterable[Parsed], peer: pq.ParquetWriter) -> Iterator[Parsed]:
    """Pass lines on, and write them as the table that the peer scans."""
    for part in parts:
        rows: list[tuple[str | None, ...]] = []
        for place, raw, record in zip(part.places, part.raws, part.records, strict=True):
            of = {field: str(value) for field, value in record.items()}
            name = of.get("server_name") or of.get("query")
            other = of.get("answers") or of.get("md5") or of.get("sha1") or of.get("sha256") or of.get("mailfrom")
            rows.append((event_id(SOURCE, place, raw), of["id.orig_h"], of["id.resp_h"], name, other, of.get("uri")))
        if rows:
            peer.write_table(_typed(rows))
        yield part


def _typed(rows: list[tuple[str | None, ...]]) -> pa.Table:
    return pa.table(dict(zip(_COLUMNS, zip(*rows, strict=True), strict=True)), schema=_TYPED)


def _scanned(data: Path, present: list[Observable]) -> int:
    connection = duckdb.connect()
    connection.execute("SET threads=2; SET enable_progress_bar=false")
    connection.register("given", pa.table({"v": [each.value for each in present]}))
    connection.execute("CREATE TABLE wanted AS FROM given")
    where = " OR ".join(f"{column} IN (FROM wanted)" for column in _COLUMNS[1:])
    found = connection.execute(f"SELECT event_id FROM read_parquet('{data}/*.typed.parquet') WHERE {where}").fetchall()
    connection.close()
    if not found:
        raise RuntimeError("the peer found nothing")
    return len(found)


def _stored(db: Database, each: list[Observable]) -> list[int]:
    """Store indicators as an import does; return their rows."""
    objects = [
        {
            "type": "indicator",
            "spec_version": "2.1",
            "id": f"indicator--{abs(hash(one.value)) % 2**32:08x}-0000-4000-8000-{number:012x}",
            "created": "2026-11-20T00:00:00.000Z",
            "modified": "2026-11-20T00:00:00.000Z",
            "pattern": _pattern(one),
            "pattern_type": "stix",
            "valid_from": "2026-11-20T00:00:00.000Z",
            "valid_until": "2036-11-20T00:00:00.000Z",
        }
        for number, one in enumerate(each)
    ]
    bundle = canonical.dumps(
        {"type": "bundle", "id": "bundle--5d0092c5-5f74-4287-9642-33f4c354e56d", "objects": objects}
    )
    terms = ImportTerms(NationId("XA"), ACTUAL, Tlp.GREEN)
    report = import_bundle(Holdings(db), bundle, door=CLI_FILE, terms=terms, warning_lists=None, at=AT)
    if report.stored != len(each):
        raise RuntimeError(f"{report.stored} of {len(each)} indicators were stored")
    news = News()
    while journal.run_once(db, news.reader, AT):
        pass
    with db.read() as connection:
        asked = store.pending_hunts(connection, limit=10 * len(each))
    with db.write(AT) as tx:
        store.finish_hunts(tx, list(asked))
    return list(asked.values())


def _pattern(one: Observable) -> str:
    path = ("ipv6" if ":" in one.value else "ipv4") + "-addr:value" if one.type == "cidr" else _PATHS[one.type]
    return f"[{path} = '{one.value}']"


def _started() -> float:
    """Return the seconds in which a process has the hunter and its engine."""
    began = time.perf_counter()
    command = "import mithaq.detection.hunts.hunter, mithaq.telemetry.lake.finding"
    subprocess.run([sys.executable, "-c", command], check=True)
    return time.perf_counter() - began
