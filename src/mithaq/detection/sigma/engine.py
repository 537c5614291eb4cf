"""The engine: rules come and go while events are matched; a new rule is an index of its own beside the large one."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import is_
from pathlib import Path
from typing import NamedTuple

from mithaq.detection.sigma import cache, settings
from mithaq.detection.sigma.answers import Asking
from mithaq.detection.sigma.cache import Kept, digest_of
from mithaq.detection.sigma.correlating import Correlations, Seen
from mithaq.detection.sigma.errors import TooManyRules
from mithaq.detection.sigma.fields import Fields, Sources
from mithaq.detection.sigma.model import Unit
from mithaq.detection.sigma.numbering import Entry
from mithaq.detection.sigma.reading import UnitReader
from mithaq.detection.sigma.tier import Databases, Tier
from mithaq.standards.sigma import BadRule


class Matched(NamedTuple):
    """A rule that an event makes true: the key under which it was put, and the rule's own id.

    `events`: of a correlation, how many made it true, this one included.
    """

    key: str
    rule: str
    events: int = 1


@dataclass(slots=True)
class _Put:
    """What stands under one key."""

    kept: Kept
    entries: tuple[Entry, ...]


class SigmaEngine:
    """Hold Sigma rules by key and match events with all of them at once.

    One thread matches; another may put, drop and merge meanwhile. Without a `folder` nothing is kept between processes.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._changing = threading.Lock()
        self._reader = UnitReader()
        self._tiers: tuple[Tier, ...] = ()
        self._is_kept = folder is None
        self._put: dict[str, _Put] = {}
        self._correlations = Correlations()

    def __len__(self) -> int:
        return len(self._put)

    def load(self, rules: Iterable[tuple[str, bytes]]) -> list[tuple[str, BadRule]]:
        """Replace all rules by these (key and text), and return those that cannot be followed, with the reason.

        What the folder holds compiled is taken from there; what is new lies beside it until `merge`.

        Raises:
            TooManyRules: more than an engine holds; nothing has changed.
        """
        wanted = dict(rules)
        _check_number(len(wanted))
        snapshot = cache.read(self._folder) if self._folder is not None else None
        held = {kept.key: kept for kept in snapshot.kept} if snapshot is not None else {}
        read: dict[str, Kept] = {}
        refused: list[tuple[str, BadRule]] = []
        for key, text in wanted.items():
            kept, digest = held.get(key), digest_of(text)
            if kept is not None and kept.digest == digest:
                read[key] = kept
                continue
            try:
                read[key] = Kept(key, digest, self._reader.read(text, key))
            except BadRule as error:
                refused.append((key, error))
        with self._changing:
            self._clear()
            databases = snapshot.databases if snapshot is not None else None
            self._is_kept = self._folder is None or databases is not None
            if snapshot is not None and databases is not None and any(each.key in read for each in snapshot.kept):
                self._add(snapshot.kept, databases)
                for kept in snapshot.kept:
                    if read.get(kept.key) is not kept:
                        self._forget(kept.key)
            self._add([kept for key, kept in read.items() if key not in self._put])
        return refused

    def put(self, text: bytes, key: str = "") -> Unit:
        """Add a rule, or replace what stands under its key; without a key, that is the rule's id.

        It is live when this returns. A file with a correlation holds its rules too, and is one unit.

        Raises:
            BadRule: it cannot be followed; what stood under the key still stands.
            TooManyRules: more than an engine holds.
        """
        with self._changing:
            unit = self._reader.read(text, key)
            key = key or unit.id
            _check_number(len(self._put) + (key not in self._put))
            self._add([Kept(key, digest_of(text), unit)])
            self._settle()
        return unit

    def put_all(self, rules: Iterable[tuple[str, bytes]]) -> list[tuple[str, BadRule]]:
        """Add or replace many rules (key and text) as one index; return those that cannot be followed.

        Raises:
            TooManyRules: more than an engine holds; nothing has changed.
        """
        read: dict[str, Kept] = {}
        refused: list[tuple[str, BadRule]] = []
        for key, text in rules:
            try:
                read[key] = Kept(key, digest_of(text), self._reader.read(text, key))
            except BadRule as error:
                refused.append((key, error))
        with self._changing:
            _check_number(len(self._put.keys() | read.keys()))
            self._add(list(read.values()))
            self._settle()
        return refused

    def unit(self, key: str) -> Unit | None:
        """Return what stands under a key."""
        put = self._put.get(key)
        return put.kept.unit if put is not None else None

    def adopt(self, other: SigmaEngine) -> None:
        """Let correlations go on with what those of another engine, under the same keys, have seen.

        The thread that matches calls this.
        """
        self._correlations.adopt(other._correlations)

    def drop(self, key: str) -> bool:
        """Remove what stands under a key, at once; False where nothing does."""
        with self._changing:
            return self._forget(key)

    def match(self, fields: Fields, raw: bytes, sources: Sources, at: datetime | None = None) -> list[Matched]:
        """Return the rules that an event makes true.

        `fields` and `sources` are those of `fields.flatten`, or the caller's own; `raw` is the line as it came, for
        keywords. Correlations are asked where `at`, the event's own time, is given.
        """
        found = [entry for tier in self._tiers for entry in tier.match(fields, raw, sources)]
        if not found:
            return []
        told = [Matched(entry.key, entry.detection.id) for entry in found if not entry.silent]
        if at is not None and self._correlations:
            seen = dict.fromkeys(Seen(entry.key, entry.detection.id, entry.detection.name) for entry in found)
            fired = self._correlations.observe(list(seen), fields, at)
            told += [Matched(each.key, each.rule, each.events) for each in fired]
        return list(dict.fromkeys(told))

    def reasons(self, key: str, fields: Fields, raw: bytes, sources: Sources) -> tuple[Asking, ...]:
        """Return which fields of an event, with which values, make true what stands under a key; for a match alone."""
        found = [reason for tier in self._tiers for reason in tier.reasons(key, fields, raw, sources)]
        return tuple(dict.fromkeys(found))

    def for_the_past(self) -> SigmaEngine:
        """Return an engine with the same rules whose correlations have seen nothing: history is told in its own order.

        Indexes are shared, so the two are used by one thread, or in processes of their own.
        """
        other = SigmaEngine()
        with self._changing:
            other._tiers, other._put = self._tiers, dict(self._put)
            for put in self._put.values():
                other._follow(put.kept)
        return other

    @property
    def beside(self) -> int:
        """Return how many rules lie beside the large index, or are in it and dropped: when there are many, `merge`.

        Where the folder does not hold the large index, its rules count too.
        """
        large = self._tiers[0].entries if self._tiers else ()
        dropped = sum(entry.dropped for entry in large) if self._is_kept else len(large)
        return dropped + sum(len(tier.entries) for tier in self._tiers[1:])

    def merge(self) -> None:
        """Make one index of all that stands, keep it in the folder, and go on with it; rules may come meanwhile.

        Cost: 20 s of processor time for all rules of SigmaHQ. Matching goes on with the indexes as they are.
        """
        with self._changing:
            before = self._tiers
            kept = tuple(put.kept for put in self._put.values())
            entries = [entry for put in self._put.values() for entry in put.entries]
        merged = before[0] if len(before) == 1 and _holds(before[0], entries) else Tier(entries)
        with self._changing:
            self._tiers = (merged, *(tier for tier in self._tiers if tier not in before))
            self._is_kept = True
        databases = merged.serialised()
        if self._folder is not None and databases is not None:
            cache.write(self._folder, kept, databases)

    def _add(self, kept: Sequence[Kept], databases: Databases | None = None) -> None:
        puts = [_Put(each, _entries(each)) for each in kept]
        if not puts:
            return
        tier = Tier([entry for put in puts for entry in put.entries], databases)
        self._tiers = (*self._tiers, tier)
        for put in puts:
            self._forget(put.kept.key)
            self._put[put.kept.key] = put
            self._follow(put.kept)

    def _follow(self, kept: Kept) -> None:
        own = [detection.id for detection in kept.unit.detections]
        for correlation in kept.unit.correlations:
            self._correlations.put(kept.key, correlation, own)

    def _forget(self, key: str) -> bool:
        put = self._put.pop(key, None)
        if put is None:
            return False
        for entry in put.entries:
            entry.dropped = True
        for correlation in put.kept.unit.correlations:
            self._correlations.drop(key, correlation.id)
        return True

    def _clear(self) -> None:
        self._tiers = ()
        self._put = {}
        self._correlations = Correlations()

    def _settle(self) -> None:
        """Make one of the two newest small indexes while they are alike in size: few are asked, few built again."""
        while len(self._tiers) > settings.MAX_DELTAS:
            *rest, older, newer = self._tiers
            alike = len(older.entries) <= 2 * len(newer.entries)
            if not alike and len(self._tiers) <= 2 * settings.MAX_DELTAS:
                return
            self._tiers = (*rest, Tier([each for tier in (older, newer) for each in tier.entries if not each.dropped]))


def _entries(kept: Kept) -> tuple[Entry, ...]:
    silent = frozenset(kept.unit.silent)
    return tuple(Entry(kept.key, each, each.id in silent) for each in kept.unit.detections)


def _holds(tier: Tier, entries: Sequence[Entry]) -> bool:
    return len(tier.entries) == len(entries) and all(map(is_, tier.entries, entries))


def _check_number(number: int) -> None:
    if number > settings.MAX_RULES:
        raise TooManyRules("more than the %(max)s rules of one engine", max=settings.MAX_RULES)
