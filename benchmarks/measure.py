"""What every benchmark gives back, and how it measures: medians over interleaved runs."""

import gc
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil


@dataclass(frozen=True, slots=True)
class Size:
    """How much to measure: `quick` is a smoke test, `full` the sizes that may take hours."""

    name: str
    seed: int

    def of(self, quick: int, small: int, full: int) -> int:
        """Return the number for this size."""
        return {"quick": quick, "small": small, "full": full}[self.name]


@dataclass(frozen=True, slots=True)
class Result:
    """Figures of ours and of the peers that ran in turn with us."""

    figures: Mapping[str, float]
    runs: int
    peers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the processor time of this process for one call, the garbage of others not counted."""
    return _clocked(work, time.process_time)


def _clocked(work: Callable[[], object], clock: Callable[[], float]) -> float:
    gc.collect()
    gc.disable()
    try:
        start = clock()
        work()
        return clock() - start
    finally:
        gc.enable()


def in_turns(contenders: Mapping[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """Run all contenders in turn, `runs` times each after one warm-up, and return each one's median processor time.

    Units: seconds of processor time.
    """
    for work in contenders.values():
        work()
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(runs):
        for name, work in contenders.items():
            taken[name].append(cpu_seconds(work))
    return {name: median(times) for name, times in taken.items()}


def machine() -> dict[str, str | int | float]:
    """Say on what the figures were measured."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "load_1m": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
