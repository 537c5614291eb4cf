"""How soon the first rule of a detector's process is live, measured in a process of its own.

`python -m benchmarks.sigma_first prepared` prints milliseconds of processor time for a process that had an idle moment
before, `unprepared` for one that had none and imports the engine first.
"""

import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import mithaq.detection.worker  # noqa: F401 - what a detector has imported before it sees a rule
from mithaq.detection.rulebook.held import Change, HeldRule
from mithaq.detection.rulebook.keeper import RuleKeeper
from mithaq.kernel.lane import ACTUAL, Lane

if TYPE_CHECKING:
    from mithaq.detection.sigma.engine import SigmaEngine

_RULE: Final = b"""
title: The first rule
id: 3f1d7c1c-8f4e-4d0a-9a34-6f2f0f7a1b11
logsource: {product: windows, category: process_creation}
detection:
    selection: {Image|endswith: \\evil.exe, CommandLine|contains|all: [/c, http]}
    condition: selection
"""


def first_rule_ms(*, prepared: bool) -> float:
    """Return the processor time of a fresh process from its first rule to the rule's being live, in milliseconds."""
    command = (sys.executable, "-m", "benchmarks.sigma_first", "prepared" if prepared else "unprepared")
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _measured(*, prepared: bool) -> float:
    engines: dict[Lane, SigmaEngine] = {}

    def engine_of(lane: Lane) -> "SigmaEngine":
        from mithaq.detection.sigma.engine import SigmaEngine

        return engines.setdefault(lane, SigmaEngine())

    live = threading.Event()
    keeper = RuleKeeper(engine_of, live.set)
    if prepared:
        keeper.prepare()
        keeper.wait(60)
    held = HeldRule(1, "indicator--1", ACTUAL, datetime.now(UTC), _RULE, None, None)
    start = time.process_time()
    keeper.ask([Change(ACTUAL, held.indicator_id, held)])
    live.wait()
    taken = 1_000 * (time.process_time() - start)
    (outcome,) = keeper.take()
    if outcome.problem is not None or len(engines[ACTUAL]) != 1:
        sys.exit("the rule is not live")
    return taken


if __name__ == "__main__":
    print(_measured(prepared="prepared" in sys.argv[1:]))
