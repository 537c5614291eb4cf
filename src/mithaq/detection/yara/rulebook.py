"""The rules that count, each lane for itself: what the holdings say, and what the scanner was given of it."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from mithaq.detection.yara.scanner import Scanner
from mithaq.detection.yara.settings import MAX_UNITS, YaraLimits
from mithaq.intelligence import watching
from mithaq.intelligence.imports.yara import PATTERN_TYPE
from mithaq.intelligence.model import StoredObject
from mithaq.intelligence.service import Holdings
from mithaq.kernel.lane import Lane
from mithaq.kernel.reason import Reason
from mithaq.standards.yara import BadYara, read_unit

_AT_ONCE: Final = 500
_log = logging.getLogger(__name__)
_FULL: Final = Reason("yara-too-many", "there are more than %(max)s rules", {"max": MAX_UNITS})

Named = tuple[str, int, Mapping[str, int]]
"""Of an object with rules: its id, its row, and the number of each rule by its name."""


@dataclass(slots=True)
class LaneRules:
    """The rules of one lane. `refused` says of objects, by id, why their rules are not asked."""

    scanner: Scanner
    of: dict[str, Named] = field(default_factory=dict)
    refused: dict[str, Reason] = field(default_factory=dict)

    @property
    def newest(self) -> int:
        """Return the newest object whose rules are asked, 0 where there are none."""
        return max((row for _, row, _ in self.of.values()), default=0)

    def after(self, row: int) -> list[str]:
        """Return the keys of the objects that came after a row."""
        return [key for key, (_, own, _) in self.of.items() if own > row]


class Rulebook:
    """All rules; a lane's processes are begun when it has a file to scan."""

    def __init__(self, holdings: Holdings, limits: YaraLimits) -> None:
        self._holdings = holdings
        self._limits = limits
        self._lanes: dict[Lane, LaneRules] = {}

    def of_lane(self, lane: Lane) -> LaneRules:
        """Return the rules of a lane."""
        if lane not in self._lanes:
            self._lanes[lane] = LaneRules(Scanner(self._limits))
        return self._lanes[lane]

    def load(self, connection: Connection, at: datetime) -> int:
        """Take all rules that count; return how many objects that are."""
        rows = watching.every_rule(connection, PATTERN_TYPE, at)
        for start in range(0, len(rows), _AT_ONCE):
            found: dict[Lane, list[StoredObject]] = defaultdict(list)
            for stored in self._holdings.rows(connection, rows[start : start + _AT_ONCE]):
                if stored.made_for is None:
                    found[stored.lane].append(stored)
            for lane, rules in found.items():
                self._put(lane, rules)
        return len(rows)

    def refresh(self, connection: Connection, rows: Sequence[int]) -> int:
        """Take what became of these objects; return how many of them are rules that count now."""
        touched = watching.rules_among(connection, rows, PATTERN_TYPE)
        for lane, rules in self._lanes.items():  # one that was erased is held no more
            touched[lane].update(rules.of[str(row)][0] for row in rows if str(row) in rules.of)
        return sum(self._renew(connection, lane, ids) for lane, ids in touched.items())

    def rest(self) -> None:
        """End the processes; they are begun anew when needed."""
        for rules in self._lanes.values():
            rules.scanner.close()

    def merge(self) -> bool:
        """Put small sets of rules together where there are too many; tell whether there were."""
        return any(rules.scanner.merge() for rules in self._lanes.values())

    def _renew(self, connection: Connection, lane: Lane, ids: Iterable[str]) -> int:
        rules, count = self.of_lane(lane), 0
        for stix_id in ids:
            versions = [stored.row for stored in self._holdings.get(connection, stix_id, lane)]
            current = list(watching.standing_rules(connection, versions, PATTERN_TYPE))
            keep = {str(stored.row) for stored in current}
            gone = [key for key, (named, _, _) in rules.of.items() if named == stix_id and key not in keep]
            rules.scanner.drop(gone)
            for key in gone:
                del rules.of[key]
            rules.refused.pop(stix_id, None)
            fresh = [stored for stored in current if str(stored.row) not in rules.of]
            self._put(lane, fresh)
            count += len(fresh)
        return count

    def _put(self, lane: Lane, stored: Sequence[StoredObject]) -> None:
        rules = self.of_lane(lane)
        units: dict[str, str] = {}
        for each in stored:
            if len(rules.of) + len(units) >= MAX_UNITS:
                rules.refused[each.stix.id] = _FULL
                continue
            units[str(each.row)] = each.stix.pattern
        refused = rules.scanner.put(units) if units else {}
        for each in stored:
            key = str(each.row)
            if key in refused:
                rules.refused[each.stix.id] = refused[key]
                _log.warning("%s is not asked of files: %s", each.stix.id, refused[key].sentence())
            elif key in units:
                rules.of[key] = (each.stix.id, each.row, _numbers(each.stix.pattern))


def _numbers(text: str) -> dict[str, int]:
    try:
        return {rule.name: number for number, rule in enumerate(read_unit(text).rules)}
    except BadYara:
        return {}
