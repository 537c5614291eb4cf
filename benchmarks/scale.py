"""Whether search and TAXII stay as fast when ten times as many objects are held: ten million with `--full`.

PostgreSQL is filled by COPY with the rows that an import would have written (`filling.py`; first that is shown on some
of them), and at each size the usual searches, the look-up of 10,000 values and the reading of a collection in pages of
1,000 are asked for as `search` and `taxii` ask. A size that the disk or the time has no room for is left out with
`--objects`.
"""

import argparse
import gc
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

from sqlalchemy import select, text

from benchmarks import filling, search, taxii
from benchmarks.holdings import opened
from benchmarks.measure import Result, Size
from mithaq.exchange.taxii.store import shelves
from mithaq.intelligence.service import Holdings
from mithaq.kernel.database import Database
from mithaq.node import schema  # noqa: F401 - imported for the tables it registers

_SMALLEST = 10_000
_PAGES = 100


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what this benchmark alone takes."""
    parser.add_argument("--objects", type=int, help="how many objects are held in the end (default: by size)")


def measure(size: Size, options: argparse.Namespace) -> Result:
    """Fill, ask, fill ten times as many, ask again."""
    count = options.objects or size.of(2_000, 20_000, 10_000_000)
    filler = filling.Filler(size.seed)
    wrong = filling.differing(filler, size.of(1_000, 20_000, 40_000))
    if wrong:
        raise RuntimeError(f"not what an import writes: {', '.join(wrong)}")
    figures: dict[str, float] = {}
    rounds = size.of(3, 20, 100)
    with opened("postgresql") as db, tempfile.TemporaryDirectory(prefix="mithaq-scale-") as folder:
        node = taxii.Node(Path(folder), db.engine.url.render_as_string(hide_password=False))
        held = 0
        for wanted in _steps(count):
            began = time.perf_counter()
            _fill(db, filler, held, wanted)
            name = f"{wanted // 1000}k"
            figures[f"filled_per_s_{name}"] = (wanted - held) / (time.perf_counter() - began)
            held = wanted
            for key, value in _asked(db, node, held, rounds, size).items():
                figures[f"{key}_{name}"] = value
                print(f"{key}_{name} {value:.6g}", flush=True) if size.name == "full" and not options.json else None
        node.db.close()
    return Result(figures, rounds)


def _steps(count: int) -> list[int]:
    found = [count]
    while found[0] > _SMALLEST:
        found.insert(0, max(_SMALLEST, found[0] // 10))
    return found


def _fill(db: Database, filler: filling.Filler, first: int, end: int) -> None:
    with db.read() as connection:
        shelf = int(connection.scalars(select(shelves.c.id)).one())
    filler.fill(db, first, end, shelf)
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.execute(text("VACUUM ANALYZE"))


def _asked(db: Database, node: taxii.Node, held: int, rounds: int, size: Size) -> dict[str, float]:
    gc.collect()
    figures = search.asked(Holdings(db), held, rounds, size.seed)
    figures["lookup_10000_s"] = search.looked_up(Holdings(db), held, size)
    with node.listening() as (address, server):
        before = sum(server.cpu_times()[:2])
        seconds, read = taxii.pages(address, node.secret, _PAGES)
        figures["page_cpu_ms"] = 1_000 * (sum(server.cpu_times()[:2]) - before) / len(seconds)
    figures["page_p50_ms"] = 1_000 * median(seconds)
    figures["page_p95_ms"] = 1_000 * quantiles(seconds, n=20)[18]
    figures["objects_per_s"] = read / sum(seconds)
    return figures
