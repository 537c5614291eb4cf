"""How fast indicators are found in telemetry: from the lines of a file to verified hits, with a million indicators.

Each contender reads the same file and gives the identifiers of the events that satisfy an indicator. One that does not
give exactly those that a plain reading of every line gives is no contender: the benchmark fails. `kernel` and
`portable` are the two forms of the prefilter; their candidates are parsed by the node's own parser and decided by a
table in SQLite. The kernel runs in two threads, the portable form in two processes; the peers: `naive` (orjson and a
dictionary, one process), `duckdb` (read_json and semi-joins, two threads), and, finding nothing, only decoding, in
one thread, `cysimdjson` and `msgspec` with types.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import cysimdjson
import msgspec
import psutil

from benchmarks.matcher_data import indicators, write_events
from benchmarks.matcher_peers import DuckDb, Naive, Verifier
from benchmarks.measure import Result, Size
from mithaq.detection.prefilter.choice import prefilter
from mithaq.detection.prefilter.model import Prefilter
from mithaq.standards.observable import Observable

_BLOCK_BYTES = 1 << 20
_ADDED = 1_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what this benchmark alone takes."""
    parser.add_argument("--events", type=int, help="how many lines (default: by size)")
    parser.add_argument("--indicators", type=int, help="how many are looked for (default: by size)")
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)


def measure(size: Size, options: argparse.Namespace) -> Result:
    """Make the data, let all run in turn, and compare what they found."""
    if options.memory_of:
        return Result(_memory(options.memory_of, size.seed), 1)
    events = options.events or size.of(20_000, 300_000, 3_000_000)
    count = options.indicators or size.of(20_000, 100_000, 1_000_000)
    wanted = list(indicators(count, size.seed))
    with tempfile.TemporaryDirectory(prefix="mithaq-matcher-") as name:
        folder = Path(name)
        lines = folder / "events.ndjson"
        write_events(lines, events, wanted, size.seed)
        figures, peers = _compared(folder, lines, wanted, runs=3)
    figures |= {"events": events, "indicators": count, "events_per_s": events / figures["kernel_s"]}
    figures |= _added(wanted, size.seed)
    for million in (1, 5)[: size.of(0, 1, 2)]:
        figures[f"memory_mb_{million}m"] = _in_a_process(million * 1_000_000, size.seed)
    return Result(figures, 3, peers)


def _compared(
    folder: Path, lines: Path, wanted: list[tuple[str, str]], runs: int
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    verifier = Verifier(folder / "indicators.db", wanted)
    naive, script = Naive(wanted), DuckDb(folder, wanted)
    kernel, portable = prefilter(), prefilter("portable")
    for each in (kernel, portable):
        each.add(Observable(kind, value) for kind, value in wanted)  # type: ignore[arg-type]
    gc.collect()
    gc.freeze()
    contenders: dict[str, Callable[[], set[str]]] = {
        "kernel": lambda: _in_threads(kernel, verifier, lines),
        "portable": lambda: _in_processes(portable, verifier, lines),
        "duckdb": lambda: script.finds(lines),
        "naive": lambda: naive.finds(lines),
        "cysimdjson": lambda: _decoded(cysimdjson.JSONParser().parse, lines),
        "msgspec": lambda: _decoded(msgspec.json.Decoder(_Line).decode, lines),
    }
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    worked: dict[str, list[float]] = {name: [] for name in contenders}
    truth = naive.finds(lines)
    for _ in range(runs):
        for name, work in contenders.items():
            began, began_cpu = time.perf_counter(), _cpu_s()
            found = work()
            taken[name].append(time.perf_counter() - began)
            worked[name].append(_cpu_s() - began_cpu)
            if name not in {"cysimdjson", "msgspec"} and found != truth:
                raise RuntimeError(f"{name}: {len(truth - found)} missing, {len(found - truth)} extra of {len(truth)}")
    seconds = {name: median(each) for name, each in taken.items()}
    figures = {"kernel_s": seconds["kernel"], "portable_s": seconds["portable"], "events_hit": float(len(truth))}
    for peer in ("duckdb", "naive", "cysimdjson"):
        figures[f"kernel_times_{peer}"] = seconds[peer] / seconds["kernel"]
    figures["portable_times_naive"] = seconds["naive"] / seconds["portable"]
    cpu = {name: median(each) for name, each in worked.items()}
    figures |= {f"{form}_cpu_s": cpu[form] for form in ("kernel", "portable")}
    return figures, {
        name: {"s": seconds[name], "cpu_s": cpu[name]} for name in ("duckdb", "naive", "cysimdjson", "msgspec")
    }


def _cpu_s() -> float:
    """Return the processor time of this process and of those that it has ended: it moves less than the wall's."""
    return sum(os.times()[:4])


def _blocks(lines: Path, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """Yield whole lines of about a megabyte that begin within [start, end)."""
    end = lines.stat().st_size if end is None else end
    with lines.open("rb", buffering=0) as file:
        if start:
            file.seek(start - 1)
            start += file.read(_BLOCK_BYTES).index(b"\n")
        while start < end:
            file.seek(start)
            block = file.read(_BLOCK_BYTES)
            cut = -1 if start + len(block) <= end else block.find(b"\n", end - start - 1)
            whole = block[: (cut if cut >= 0 else block.rindex(b"\n")) + 1]
            start += len(whole)
            yield whole


def _halves(lines: Path) -> list[tuple[int, int]]:
    size = lines.stat().st_size
    return [(0, size // 2), (size // 2, size)]


def _in_threads(kernel: Prefilter, verifier: Verifier, lines: Path) -> set[str]:
    def half(span: tuple[int, int]) -> set[str]:
        with verifier.opened() as verify:
            return _found(kernel, verify, _blocks(lines, *span))

    with ThreadPoolExecutor(2) as pool:
        return set().union(*pool.map(half, _halves(lines)))


_INHERITED: dict[Path, tuple[Prefilter, Verifier]] = {}
"""What forked processes share with this one, by the file they read."""


def _portable_half(lines: Path, start: int, end: int) -> set[str]:
    portable, verifier = _INHERITED[lines]
    with verifier.opened() as verify:
        return _found(portable, verify, _blocks(lines, start, end))


def _in_processes(portable: Prefilter, verifier: Verifier, lines: Path) -> set[str]:
    _INHERITED[lines] = (portable, verifier)
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        halves = [pool.submit(_portable_half, lines, *span) for span in _halves(lines)]
        return set().union(*(half.result() for half in halves))


def _found(candidates: Prefilter, verify: Callable[[list[bytes]], set[str]], blocks: Iterator[bytes]) -> set[str]:
    found: set[str] = set()
    for block in blocks:
        lines = [block[start:end] for start, end in candidates.candidates(block)]
        if lines:
            found |= verify(lines)
    return found


class _Dns(msgspec.Struct):
    rrname: str = ""


class _Line(msgspec.Struct):
    """What a matcher that knows its sensors would decode of a line."""

    uid: str | None = None
    flow_id: int | None = None
    orig: str | None = msgspec.field(default=None, name="id.orig_h")
    resp: str | None = msgspec.field(default=None, name="id.resp_h")
    src_ip: str | None = None
    dest_ip: str | None = None
    query: str | None = None
    answers: list[str] | None = None
    host: str | None = None
    uri: str | None = None
    server_name: str | None = None
    md5: str | None = None
    dns: _Dns | None = None


def _decoded(decode: Callable[[bytes], object], lines: Path) -> set[str]:
    with lines.open("rb") as file:
        for line in file:
            decode(line)
    return set()


def _added(wanted: list[tuple[str, str]], seed: int) -> dict[str, float]:
    """Return the milliseconds to add a thousand to all, observables already made."""
    held = prefilter()
    held.add(Observable(kind, value) for kind, value in wanted)  # type: ignore[arg-type]
    new = [Observable(kind, value) for kind, value in indicators(20 * _ADDED, seed + 1)]  # type: ignore[arg-type]
    taken = []
    for start in range(0, len(new), _ADDED):
        part = new[start : start + _ADDED]
        began = time.perf_counter()
        held.add(part)
        taken.append((time.perf_counter() - began) * 1000)
    return {"add_1000_ms": median(taken), "add_1000_most_ms": max(taken)}


def _memory(count: int, seed: int) -> dict[str, float]:
    process = psutil.Process()
    before = process.memory_info().rss
    held = prefilter()
    held.add(Observable(kind, value) for kind, value in _unchecked(count, seed))  # type: ignore[arg-type]
    gc.collect()
    return {"mb": (process.memory_info().rss - before) / 1e6, "keys": float(len(held))}


def _unchecked(count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Yield indicators without keeping what was seen: in parts, each with a seed of its own."""
    for part in range(0, count, 50_000):
        yield from indicators(min(50_000, count - part), seed * 1_000_003 + part)


def _in_a_process(count: int, seed: int) -> float:
    command = [sys.executable, "-m", "benchmarks", "matcher", "--json", f"--memory-of={count}", f"--seed={seed}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout)["figures"]["mb"])
