"""Ask rules of files, in a process with limits: what a hostile rule or file does to it costs that one scan.

Rules lie in sets. A set that does not end on a file is halved until the rule is found that does not; that rule then
stands alone, and after a few files it is asked no more.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from mithaq.detection.yara.compiling import RuleCompiler, RuleSet
from mithaq.detection.yara.errors import FileRefused, FileUnreadable, ScannerEnded
from mithaq.detection.yara.process import Process
from mithaq.detection.yara.settings import YaraLimits
from mithaq.detection.yara.wire import Drop, Load, Open, Opened, RuleMatch, Scan, Scanned
from mithaq.kernel.reason import Reason

_TIME_USED: Final = Reason("yara-time-used", "the time for this file was used up")


@dataclass(frozen=True, slots=True)
class FileScan:
    """What was found in one file; `unfinished` are the objects whose rules could not be asked to the end, and why."""

    size: int
    md5: str
    sha1: str
    sha256: str
    archive: str = ""
    matches: tuple[RuleMatch, ...] = ()
    unfinished: Mapping[str, Reason] = field(default_factory=dict)


@dataclass(slots=True)
class _Set:
    rules: RuleSet
    is_alone: bool = False
    """It did not end once: it is not put together with others again."""


class Scanner:
    """The rules of one lane, and the process that asks them."""

    def __init__(self, limits: YaraLimits | None = None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits or YaraLimits()
        self._monotonic = monotonic
        self._compiler = RuleCompiler(self._limits)
        self._process = Process(self._limits.scan_memory_bytes, self._limits.scan_s)
        self._texts: dict[str, str] = {}
        self._sets: dict[int, _Set] = {}
        self._loaded: set[int] = set()
        self._of = 0
        """The process that has the file open and these sets loaded."""

        self._next = 0
        self._strikes: Counter[str] = Counter()
        self.suspended: dict[str, Reason] = {}

    @property
    def keys(self) -> frozenset[str]:
        """Return the keys of the objects whose rules are asked."""
        return frozenset(self._texts)

    def put(self, units: Mapping[str, str]) -> dict[str, Reason]:
        """Ask these rules (text by key) from now on; return, by key, why some cannot be."""
        compiled = self._compiler.compile(units)
        for rules in compiled.sets:
            self._keep(rules)
        self._texts |= {key: text for key, text in units.items() if key not in compiled.refused}
        return compiled.refused

    def drop(self, keys: Collection[str]) -> None:
        """Ask these no more."""
        for key in keys:
            self._texts.pop(key, None)
            self.suspended.pop(key, None)
            self._strikes.pop(key, None)
        for number, each in list(self._sets.items()):
            if self._texts.keys().isdisjoint(each.rules.keys):
                self._forget(number)

    def merge(self) -> bool:
        """Put sets together where there are too many; tell whether something was done."""
        small = sorted(
            (number for number, each in self._sets.items() if not each.is_alone),
            key=lambda number: len(self._sets[number].rules.keys),
        )
        if len(small) <= self._limits.sets:
            return False
        counts = [len(self._sets[number].rules.keys) for number in small]
        merged = small if sum(counts[:-1]) >= counts[-1] else small[:-1]
        keys = {key for number in merged for key in self._sets[number].rules.keys}
        compiled = self._compiler.compile({key: self._texts[key] for key in sorted(keys & self._texts.keys())})
        for number in merged:
            self._forget(number)
        for rules in compiled.sets:
            self._keep(rules)
        self.suspended |= compiled.refused
        return True

    def scan(self, descriptor: int, size: int, keys: Collection[str] | None = None) -> FileScan:
        """Ask the rules of an opened file, by default all of them.

        Raises:
            FileRefused: it is too large, or what reads it fails.
        """
        if size > self._limits.max_file_bytes:
            raise _too_large(self._limits)
        opened = self._open(descriptor, size)
        asked = self.keys if keys is None else self.keys.intersection(keys)
        found: list[RuleMatch] = []
        unfinished: dict[str, Reason] = {}
        again: set[int] = set()
        deadline = self._monotonic() + self._limits.file_s
        waiting = [number for number, each in self._sets.items() if not asked.isdisjoint(each.rules.keys)]
        while waiting:
            number = waiting.pop(0)
            if self._monotonic() > deadline:
                unfinished |= dict.fromkeys(asked & self._sets[number].rules.keys, _TIME_USED)
                continue
            try:
                answer = self._ask(number, descriptor, opened.size)
            except ScannerEnded as error:
                if not self._process.is_running and number not in again:
                    again.add(number)  # it may have been what lay beside it: once more, in a new process by itself
                    waiting.insert(0, number)
                    continue
                reason = Reason(error.code, error.message, dict(error.params))
                waiting += self._halve(number, reason, unfinished)
            else:
                known = asked & self._sets[number].rules.keys
                found += [each for each in answer.matches if each.key in known]
        return FileScan(opened.size, opened.md5, opened.sha1, opened.sha256, opened.archive, tuple(found), unfinished)

    def close(self) -> None:
        """End the processes."""
        self._compiler.close()
        self._process.close()

    @property
    def _is_same(self) -> bool:
        return self._process.is_running and self._process.begun == self._of

    def _open(self, descriptor: int, size: int) -> Opened:
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            wait_s = self._wait_s(size)
            answer = self._process.ask(Open(self._limits.max_file_bytes), wait_s=wait_s, descriptor=descriptor)
        except ScannerEnded as error:
            raise FileUnreadable("what reads it failed: %(problem)s", problem=error.message % error.params) from error
        if self._process.begun != self._of:
            self._loaded.clear()
            self._of = self._process.begun
        if not isinstance(answer, Opened) or answer.too_large:
            raise _too_large(self._limits)
        return answer

    def _ask(self, number: int, descriptor: int, size: int) -> Scanned:
        """Ask one set of the file that is open.

        Raises:
            ScannerEnded: not all of it could be asked.
        """
        seconds = round(self._wait_s(size))
        try:
            if not self._is_same:
                self._open(descriptor, size)
            if number not in self._loaded:
                self._process.ask(Load(number, self._sets[number].rules.data), wait_s=self._wait_s(0))
                self._loaded.add(number)
            answer = self._process.ask(Scan(number, seconds), wait_s=seconds + self._limits.grace_s)
        except FileRefused as error:
            raise ScannerEnded("%(problem)s", problem=error.message % error.params) from error
        if not isinstance(answer, Scanned):
            raise ScannerEnded("it answered nonsense")
        if answer.timed_out:
            raise ScannerEnded("it took longer than %(limit)s seconds", limit=seconds)
        return answer

    def _halve(self, number: int, reason: Reason, unfinished: dict[str, Reason]) -> list[int]:
        """Return what to ask instead of a set that did not end: its halves; nothing where it is one object's."""
        keys = sorted(self._sets[number].rules.keys & self._texts.keys())
        if len(keys) <= 1:
            for key in keys:
                self._strike(number, key, reason)
                unfinished[key] = reason
            return []
        self._forget(number)
        halves = (keys[: len(keys) // 2], keys[len(keys) // 2 :])
        compiled = [self._compiler.compile({key: self._texts[key] for key in half}) for half in halves]
        for each in compiled:
            unfinished |= each.refused
        return [self._keep(rules, is_alone=True) for each in compiled for rules in each.sets]

    def _strike(self, number: int, key: str, reason: Reason) -> None:
        self._sets[number].is_alone = True
        self._strikes[key] += 1
        if self._strikes[key] >= self._limits.slow_files:
            self.suspended[key] = reason
            self._texts.pop(key, None)
            self._forget(number)

    def _keep(self, rules: RuleSet, *, is_alone: bool = False) -> int:
        self._next += 1
        self._sets[self._next] = _Set(rules, is_alone)
        return self._next

    def _forget(self, number: int) -> None:
        self._sets.pop(number, None)
        if number in self._loaded and self._is_same:
            with suppress(ScannerEnded):  # then it has forgotten everything
                self._process.ask(Drop(number), wait_s=self._limits.grace_s)
        self._loaded.discard(number)

    def _wait_s(self, size: int) -> float:
        return self._limits.scan_s + size / self._limits.scan_bytes_a_second


def _too_large(limits: YaraLimits) -> FileRefused:
    return FileRefused("larger than the limit of %(max)s bytes", max=limits.max_file_bytes)
