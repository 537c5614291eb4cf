"""How many Windows events a core asks all Sigma rules of, and how soon a new rule is live.

Rules are SigmaHQ's for Windows, events those of the Security-Datasets (single attack techniques, Sysmon and Security),
both read from `MITHAQ_DATA`. Measured is everything from a line of JSON to the rules it makes true: decoding, naming
the fields, matching, keywords in the line; each run begins with an engine that has seen no event, loaded from its
snapshot. A new rule is live in an engine that holds all others; the first rule of a process in one that had an idle
moment before, or, `unprepared`, had none. All is processor time.

The peer does it as Zircolite does: events in one wide table of SQLite in memory, one SELECT a rule that pySigma's
backend wrote beforehand; on fewer events, because its time for each does not change.
"""

import argparse
import json
import os
import random
import re
import sqlite3
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import msgspec
from sigma.backends.sqlite.sqlite import sqliteBackend
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError
from sigma.pipelines.sysmon.sysmon import sysmon_pipeline
from sigma.pipelines.windows.windows import windows_logsource_pipeline

from benchmarks.measure import Result, Size, cpu_seconds
from benchmarks.sigma_first import first_rule_ms
from mithaq.detection.sigma.engine import SigmaEngine
from mithaq.detection.sigma.fields import flatten
from mithaq.standards.sigma import SigmaRule, read_rules

_FROM = re.compile(r"FROM <TABLE_NAME>")
_RUNS = 3


def measure(size: Size, options: argparse.Namespace) -> Result:
    """Return events a second and core, what compiling and loading cost, and when a new rule is live; beside SQLite."""
    del options
    data = Path(os.environ.get("MITHAQ_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (data / "sigma").is_dir():
        sys.exit(f"the real rules and events are not there: {data} (set MITHAQ_DATA)")
    drawn = random.Random(size.seed)
    rules = _windows_rules(data)
    held_back = [rules.pop(drawn.randrange(len(rules))) for _ in range(21)]
    rules = rules if size.name == "full" else drawn.sample(rules, size.of(100, 600, 0))
    lines = list(_events(data, size.of(50, 1_000, 1_000_000)))
    sample = drawn.sample(lines, min(len(lines), size.of(300, 1_000, 5_000)))
    with tempfile.TemporaryDirectory(prefix="mithaq-sigma-") as folder:
        figures = _ours(Path(folder), rules, lines, held_back)
        on_sample = median(_first_pass(Path(folder), rules, sample)[0] for _ in range(_RUNS))
    seconds, queries = _zircolites_way(rules, sample)
    peer = {
        "rules": float(queries),
        "events": float(len(sample)),
        "events_per_s": len(sample) / seconds,
        "mithaq_events_per_s_on_these": len(sample) / on_sample,
        "ratio": len(lines) / len(sample) * seconds / (len(lines) / figures["events_per_s"]),
    }
    return Result(figures, _RUNS, {"sqlite": peer})


def _ours(folder: Path, rules: list[SigmaRule], lines: list[bytes], new: list[SigmaRule]) -> dict[str, float]:
    engine = SigmaEngine(folder)
    compile_s = cpu_seconds(lambda: _compile(engine, rules))
    passes = [_first_pass(folder, rules, lines) for _ in range(_RUNS)]
    live: list[float] = []
    for rule in new:
        start = time.process_time()
        engine.put(rule.text)
        live.append(1_000 * (time.process_time() - start))
    megabytes = sum(map(len, lines)) / 1e6
    seconds = median(each[0] for each in passes)
    return {
        "rules": float(len(engine) - len(new)),
        "events": float(len(lines)),
        "events_per_s": len(lines) / seconds,
        "mb_per_s": megabytes / seconds,
        "detections": float(passes[0][1]),
        "compile_cpu_s": compile_s,
        "load_ms": 1_000 * median(each[2] for each in passes),
        "new_rule_live_ms": median(live),
        "new_rule_live_max_ms": max(live),
        "first_rule_live_ms": median(first_rule_ms(prepared=True) for _ in range(_RUNS)),
        "first_rule_live_unprepared_ms": median(first_rule_ms(prepared=False) for _ in range(_RUNS)),
    }


def _compile(engine: SigmaEngine, rules: list[SigmaRule]) -> None:
    engine.load([(rule.id, rule.text) for rule in rules])
    engine.merge()


def _first_pass(folder: Path, rules: list[SigmaRule], lines: list[bytes]) -> tuple[float, int, float]:
    """Return the processor time of matching with a fresh engine, the hits, and the processor time of loading it."""
    engine = SigmaEngine(folder)
    load_s = cpu_seconds(lambda: engine.load([(rule.id, rule.text) for rule in rules]))
    decode = msgspec.json.Decoder(dict[str, object]).decode
    hits = 0

    def match() -> None:
        nonlocal hits
        for line in lines:
            fields, sources = flatten(decode(line))
            hits += len(engine.match(fields, line, sources))

    return cpu_seconds(match), hits, load_s


def _windows_rules(data: Path) -> list[SigmaRule]:
    found: list[SigmaRule] = []
    with tarfile.open(data / "sigma" / "sigma-rules.tar.gz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".yml") else None
            for rule in read_rules(file.read(), member.name) if file else ():
                found += [rule] if isinstance(rule, SigmaRule) and rule.logsource.product == "windows" else []
    return sorted(found, key=lambda rule: rule.id)


def _events(data: Path, most: int) -> Iterator[bytes]:
    """Yield the first lines of each set of events."""
    for path in sorted((data / "telemetry" / "windows-atomic").glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if name.endswith(".json") and "MACOSX" not in name:
                    lines = archive.read(name).splitlines()[:most]
                    yield from (line for line in lines if line.startswith(b"{") and line.endswith(b"}"))


def _zircolites_way(rules: list[SigmaRule], lines: list[bytes]) -> tuple[float, int]:
    """Return the processor time of a table of all events and one SELECT a rule, and how many rules could be written."""
    backend = sqliteBackend(  # type: ignore[no-untyped-call]
        sysmon_pipeline() + windows_logsource_pipeline()
    )
    queries: list[str] = []
    for rule in rules:
        try:
            written = backend.convert(SigmaCollection.from_yaml(rule.text))
        except SigmaError:
            continue
        queries += [_FROM.sub("FROM logs", query) for query in written]
    return cpu_seconds(lambda: _select_each(queries, lines)), len(queries)


def _select_each(queries: list[str], lines: list[bytes]) -> int:
    database = sqlite3.connect(":memory:")
    database.create_function("REGEXP", 2, lambda pattern, value: bool(value and re.search(pattern, str(value))))
    rows = [flatten(msgspec.json.decode(line))[0] for line in lines]
    names = {name.lower(): name for row in rows for name in row}
    columns = list(names.values())
    database.execute(f"CREATE TABLE logs ({', '.join(f'{_quoted(name)} TEXT COLLATE NOCASE' for name in columns)})")
    marks = ", ".join("?" for _ in columns)
    database.executemany(
        f"INSERT INTO logs VALUES ({marks})", ([_cell(row.get(name)) for name in columns] for row in rows)
    )
    hits = 0
    for query in queries:
        try:
            hits += len(database.execute(query).fetchall())
        except sqlite3.OperationalError:
            continue  # a column that no event has: Zircolite drops the rule too
    database.close()
    return hits


def _cell(value: object) -> object:
    return json.dumps(value) if isinstance(value, list | dict) else value


def _quoted(name: str) -> str:
    return '"' + name.replace('"', "") + '"'
