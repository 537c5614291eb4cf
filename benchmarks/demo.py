"""How soon three founded nodes serve their first page, and how much memory all their processes take together.

The memory is the sum of the proportional set sizes after every page and the live path have been used once.
"""

import argparse
import time

from benchmarks.coalition import HitWatch, memory_mb, running_coalition
from benchmarks.measure import Result, Size
from benchmarks.propagation import protect_all


def measure(size: Size, options: argparse.Namespace) -> Result:
    """Found, run, use and weigh a coalition."""
    del size, options
    with running_coalition() as (stations, first_page_s):
        first, *partners = stations
        watches = [HitWatch(partner) for partner in partners]
        for watch in watches:
            watch.start()
        for number in range(5):
            protect_all(first, partners, watches, f"weigh-{number}.example")
        for station in stations:
            for path in ("/", "/sign-in"):
                station.http.get(path, follow_redirects=True).raise_for_status()
        heaviest = 0.0
        for _ in range(10):
            heaviest = max(heaviest, memory_mb(stations))
            time.sleep(0.2)
        for watch in watches:
            watch.end()
    return Result({"first_page_s": first_page_s, "memory_mb": heaviest}, runs=1)
