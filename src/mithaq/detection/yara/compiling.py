"""Put objects' rules together into sets that can be scanned with, in a process with limits.

Objects whose rules cannot be compiled, or end the process that tries, are named with the reason; the rest goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from mithaq.detection.yara.errors import ScannerEnded
from mithaq.detection.yara.process import Process
from mithaq.detection.yara.settings import REFUSED_MODULES, YaraLimits
from mithaq.detection.yara.wire import Add, Added, Begin, Build, Built, Problem
from mithaq.kernel.reason import Reason
from mithaq.standards.yara import BadYara, read_unit

_SECONDS_A_RULE: Final = 0.02
"""What putting one more object into a set may take beside the fixed time."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules in the form that is scanned with; `keys` are those of the objects that are whole in it."""

    keys: frozenset[str]
    data: bytes = field(repr=False)


@dataclass(slots=True)
class Compiled:
    """What became of objects' rules: the sets, and by key why some are in none."""

    sets: list[RuleSet] = field(default_factory=list)
    refused: dict[str, Reason] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checked:
    """What the compiler says of one object's rules."""

    problem: Reason | None = None
    warnings: tuple[Problem, ...] = ()


class RuleCompiler:
    """Compile rules; the process is begun when needed, and ended by `close`."""

    def __init__(self, limits: YaraLimits) -> None:
        self._limits = limits
        self._process = Process(limits.compile_memory_bytes, limits.compile_cpu_s)

    def compile(self, units: Mapping[str, str]) -> Compiled:
        """Return objects' rules (text by key) as sets, usually one."""
        done = Compiled()
        sound: dict[str, str] = {}
        for key, text in units.items():
            reason = objection(text)
            if reason is None:
                sound[key] = text
            else:
                done.refused[key] = reason
        self._put(list(sound.items()), done)
        return done

    def check(self, text: str) -> Checked:
        """Return what is wrong with one object's rules, and what the compiler warns of: slow patterns above all."""
        reason = objection(text)
        if reason is not None:
            return Checked(reason)
        try:
            self._ask(Begin(), 0)
            added = self._add("check", text, warnings=True)
            if added.problems:
                return Checked(_reason(added.problems[0]), tuple(added.warnings))
            self._ask(Build(), 1)
        except ScannerEnded as error:
            return Checked(_ended(error))
        return Checked(None, tuple(added.warnings))

    def close(self) -> None:
        """End the process."""
        self._process.close()

    def _put(self, units: list[tuple[str, str]], done: Compiled) -> None:
        """Make one set of these, or several around what ends the process."""
        if not units:
            return
        keys: set[str] = set()
        added = 0
        try:
            self._ask(Begin(), 0)
            for key, text in units:
                problems = self._add(key, text).problems
                added += 1
                if problems:
                    done.refused[key] = _reason(problems[0])
                else:
                    keys.add(key)
            built = self._ask(Build(), len(units)) if keys else None
        except ScannerEnded as error:
            self._around(units, added, error, done)
            return
        if isinstance(built, Built):
            done.sets.append(RuleSet(frozenset(keys), built.data))

    def _around(self, units: list[tuple[str, str]], added: int, error: ScannerEnded, done: Compiled) -> None:
        """Go on without the one at which the process ended; if it ended at the whole, with each half."""
        if added == len(units) > 1:
            middle = len(units) // 2
            self._put(units[:middle], done)
            self._put(units[middle:], done)
            return
        at = min(added, len(units) - 1)
        done.refused[units[at][0]] = _ended(error)
        self._put(units[:at], done)
        self._put(units[at + 1 :], done)

    def _add(self, key: str, text: str, *, warnings: bool = False) -> Added:
        added = self._ask(Add(key, text, warnings), 0)
        if not isinstance(added, Added):
            raise ScannerEnded("it answered nonsense")
        return added

    def _ask(self, request: Begin | Add | Build, count: int) -> object:
        wait_s = self._limits.compile_cpu_s + self._limits.grace_s + _SECONDS_A_RULE * count
        return self._process.ask(request, wait_s=wait_s)


def objection(text: str) -> Reason | None:
    """Say why rules are not given to the compiler at all: too large, unreadable, or of a module that is not here."""
    try:
        unit = read_unit(text)
    except BadYara as error:
        return Reason(error.code, error.message, dict(error.params))
    refused = sorted(REFUSED_MODULES.intersection(unit.imports))
    if refused:
        return Reason("yara-module", "the module %(module)s is not available here", {"module": refused[0]})
    return None


def _reason(problem: Problem) -> Reason:
    params: dict[str, str | int] = {"line": problem.line, "problem": problem.text}
    return Reason("bad-yara-rule", "line %(line)s: %(problem)s", params)


def _ended(error: ScannerEnded) -> Reason:
    return Reason(error.code, error.message, dict(error.params))
