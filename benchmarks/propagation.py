"""From one nation's discovery to every partner's protection, on three nodes of several processes each.

One by one, indicators are added at the first nation through its API. From the instant that call returns, an ordinary
event that shows the value is sent every 40 ms to an ordinary source of each partner, until the partner has a hit; the
time taken is that of the slowest partner. Then 5,000 indicators go in as one bundle, timed from the beginning of the
import until both partners have a hit of the last one, and afterwards every one of them is shown to be live.

With `--tlp amber` every release waits until both other parties have cosigned the log that holds it: the agreement
demands two witnesses, and there are no more.
"""

import argparse
import json
import random
import threading
import time
from collections.abc import Sequence
from statistics import quantiles

from benchmarks.coalition import HitWatch, Station, running_coalition
from benchmarks.measure import Result, Size
from mithaq.cli.demo.nodes import ORDERED_BY
from mithaq.intelligence.imports.bundle import import_bundle
from mithaq.intelligence.model import ImportTerms
from mithaq.intelligence.settings import CLI_FILE
from mithaq.kernel import canonical
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

_PULSE_S = 0.04
_DEADLINE_S = 30.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take the label under which everything travels."""
    parser.add_argument("--tlp", choices=["green", "amber"], default="green", help="amber: two witnesses cosign first")


def measure(size: Size, options: argparse.Namespace) -> Result:
    """Measure single indicators and the bundle on a fresh coalition."""
    label = Tlp[options.tlp.upper()]
    count, bundle = size.of(20, 200, 200), size.of(1_000, 5_000, 5_000)
    pick = random.Random(size.seed)
    with running_coalition(witnesses=2 if label is Tlp.AMBER else 1) as (stations, _):
        first, *partners = stations
        watches = [HitWatch(partner) for partner in partners]
        for watch in watches:
            watch.start()
        protect_all(first, partners, watches, "warm-up.example", label)
        taken = [
            protect_all(first, partners, watches, f"c2-{n}-{pick.getrandbits(32):08x}.example", label)
            for n in range(count)
        ]
        bundle_s = _bundle(first, partners, watches, bundle, pick, label)
        for watch in watches:
            watch.end()
    ordered = sorted(taken)
    cuts = quantiles(ordered, n=100, method="inclusive")
    figures = {
        "p50_ms": cuts[49],
        "p95_ms": cuts[94],
        "p99_ms": cuts[98],
        "max_ms": ordered[-1],
        f"bundle_{bundle}_s": bundle_s,
        "nations": len(stations),
    }
    return Result(figures, runs=count)


def protect_all(
    first: Station, partners: Sequence[Station], watches: Sequence[HitWatch], value: str, label: Tlp = Tlp.GREEN
) -> float:
    """Add an indicator and return the milliseconds from the call's return to the hit at the slowest partner."""
    first.add_indicator(value, label.label)
    began = time.perf_counter()
    return (_until_all(partners, watches, value) - began) * 1000


def _until_all(partners: Sequence[Station], watches: Sequence[HitWatch], value: str) -> float:
    seen: list[float] = []
    threads = [
        threading.Thread(target=_until_hit, args=(partner, watch, value, seen))
        for partner, watch in zip(partners, watches, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(seen) != len(partners):
        raise TimeoutError(f"{value} was not detected by every partner")
    return max(seen)


def _until_hit(partner: Station, watch: HitWatch, value: str, seen: list[float]) -> None:
    deadline = time.perf_counter() + _DEADLINE_S
    while time.perf_counter() < deadline:
        partner.push(_event(value))
        at = watch.wait_for(value, _PULSE_S)
        if at is not None:
            seen.append(at)
            return


def _event(value: str) -> bytes:
    line = {
        "_path": "dns",
        "ts": time.time(),
        "uid": f"C{random.getrandbits(60):x}",
        "id.orig_h": "192.0.2.7",
        "id.orig_p": 40000,
        "id.resp_h": "192.0.2.53",
        "id.resp_p": 53,
        "query": value,
    }
    return json.dumps(line).encode() + b"\n"


def _bundle(
    first: Station,
    partners: Sequence[Station],
    watches: Sequence[HitWatch],
    count: int,
    pick: random.Random,
    label: Tlp,
) -> float:
    """Return the seconds from the beginning of the import to the last indicator's hit at the slowest partner."""
    values = [f"bulk-{n}-{pick.getrandbits(32):08x}.example" for n in range(count)]
    bundle = _stix_bundle(values)
    node = first.demo.open()
    terms = ImportTerms(node.nation, ACTUAL, tlp=label, pap=Pap.GREEN, purpose="defence")
    began = time.perf_counter()
    report = import_bundle(node.holdings, bundle, door=CLI_FILE, terms=terms, warning_lists=None, at=node.clock.now())
    if report.stored != count:
        raise RuntimeError(f"{report.stored} of {count} indicators were stored for {ORDERED_BY}")
    last_hit = _until_all(partners, watches, values[-1])
    node.close()
    for partner in partners:
        for start in range(0, count, 500):
            partner.push(b"".join(_event(value) for value in values[start : start + 500]))
    for watch in watches:
        for value in values:
            if watch.wait_for(value, _DEADLINE_S) is None:
                raise RuntimeError(f"{value} is not live at every partner")
    return last_hit - began


def _stix_bundle(values: Sequence[str]) -> bytes:
    objects = [
        {
            "type": "indicator",
            "spec_version": "2.1",
            "id": f"indicator--{random.getrandbits(32):08x}-0000-4000-8000-{number:012x}",
            "created": "2026-11-23T00:00:00.000Z",
            "modified": "2026-11-23T00:00:00.000Z",
            "name": value,
            "pattern": f"[domain-name:value = '{value}']",
            "pattern_type": "stix",
            "valid_from": "2026-11-23T00:00:00.000Z",
            "valid_until": "2036-11-23T00:00:00.000Z",
        }
        for number, value in enumerate(values)
    ]
    return canonical.dumps({"type": "bundle", "id": "bundle--5d0092c5-5f74-4287-9642-33f4c354e56d", "objects": objects})
