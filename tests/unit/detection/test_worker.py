import json
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

import pytest

from mithaq.detection import store, worker
from mithaq.detection.hunts.launch import HunterOrder, hunter_launcher
from mithaq.detection.rulebook.store import list_rules
from mithaq.intelligence.service import Holdings
from mithaq.kernel.clock import SystemClock
from mithaq.kernel.database import Database
from mithaq.telemetry.model import Format
from mithaq.telemetry.service import Telemetry
from tests.unit.detection.sigma.rules import selection
from tests.unit.detection.worlds import indicator

HEAVY = ("duckdb", "ibis", "pyarrow", "pandas", "numpy", "sigma", "hyperscan")


@pytest.mark.parametrize(
    "module", ["mithaq.detection.worker", "mithaq.detection.service", "mithaq.detection.hunts.hunter"]
)
def test_the_detector_stays_small(module: str) -> None:
    program = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_detector_with_a_moment_to_spare_is_ready_for_its_first_rule() -> None:
    program = """
import sys
from mithaq.detection.rulebook.keeper import RuleKeeper
keeper = RuleKeeper(None, None)
assert "sigma" not in sys.modules
keeper.prepare()
assert keeper.wait(60)
assert {"sigma", "hyperscan"} <= sys.modules.keys()
"""
    subprocess.run((sys.executable, "-c", program), check=True)


def wait_for(db: Database, count: int, timeout_s: float = 20.0) -> list[bool]:
    ends = time.monotonic() + timeout_s
    while time.monotonic() < ends:
        with db.read() as connection:
            hits = store.list_hits(connection, limit=100)
        if len(hits) >= count:
            break
        time.sleep(0.005)
    return sorted(hit.retro for hit in hits)


def wait_for_rule(db: Database, timeout_s: float = 20.0) -> None:
    ends = time.monotonic() + timeout_s
    while time.monotonic() < ends:
        with db.read() as connection:
            if list_rules(connection):
                return
        time.sleep(0.005)


def test_the_running_process_hits_at_once_and_its_hunter_finds_the_past(
    db: Database, db_url: str, tmp_path: Path
) -> None:
    run_dir, holdings, clock, stop = tmp_path / "run", Holdings(db), SystemClock(), threading.Event()
    telemetry = Telemetry(db, tmp_path)
    telemetry.add_source("zeek", path="", line_format=Format.AUTO, by="test", at=clock.now())
    order = HunterOrder(db_url, str(tmp_path), str(run_dir), str(tmp_path / "cache"))
    thread = threading.Thread(
        target=worker.run,
        args=(db, holdings, tmp_path, run_dir),
        kwargs={"launch_hunter": hunter_launcher(order), "clock": clock, "stop": stop},
    )
    thread.start()
    try:
        _store(db, holdings, "live.example", clock.now())
        _push(telemetry, "live.example", "past.example")
        assert wait_for(db, 1) == [False]
        _store(db, holdings, "past.example", clock.now())
        assert wait_for(db, 2) == [False, True]
        rule = selection("query: ruled.example", product="zeek", source="    service: ruled\n").decode()
        with db.write(clock.now()) as tx:
            holdings.store(tx, [indicator(rule, clock.now(), pattern_type="sigma")])
        wait_for_rule(db)
        telemetry.push("zeek", json.dumps({"ts": 1, "_path": "ruled", "query": "ruled.example"}).encode())
        assert wait_for(db, 3) == [False, False, True]
    finally:
        stop.set()
        thread.join()


def _store(db: Database, holdings: Holdings, name: str, at: datetime) -> None:
    with db.write(at) as tx:
        holdings.store(tx, [indicator(f"[domain-name:value = '{name}']", at)])


def _push(telemetry: Telemetry, *names: str) -> None:
    lines = (json.dumps({"ts": 1, "uid": name, "query": name}) for name in names)
    telemetry.push("zeek", "\n".join(lines).encode())
